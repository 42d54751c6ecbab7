# make setup | demo | test | lint | formal | bitstream | bench | synth: see README.md
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
TEST_WORKERS ?= 2
SYNTH_ARGS ?=
# what `make bitstream` builds; BITSTREAM_ARGS adds any option of `qtwin bitstream`
BOARD ?= ulx3s
CODE ?= repetition
DISTANCE ?= 3
DECODER ?= table
BITSTREAM_ARGS ?=

.PHONY: help setup demo test test-all lint formal bitstream format bench synth registers lock wheel clean

help:
	@echo "make demo    close the loop once: twin, bridge and two decoders in RTL; prints where the reports lie"
	@echo "make test    every test but the long forms (make test-all runs those too)"
	@echo "make lint    ruff, mypy, generated files"
	@echo "make formal  proofs about the RTL, by k-induction"
	@echo "make bitstream  a board's bitstream with open tools (BOARD CODE DISTANCE DECODER; docs/boards.md)"
	@echo "make bench   speed figures, side by side, written to benchmarks/results"
	@echo "make synth   area, clock, cycles and error rates of the decoders, written to docs/hardware.md"
	@echo "make setup   only build $(VENV)"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "qtwin needs Python 3.11 or 3.12; on Debian or Ubuntu: apt-get install python3 python3-venv, or name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@command -v g++ >/dev/null || { echo "qtwin needs a C++ compiler (g++); on Debian or Ubuntu: apt-get install g++"; exit 1; }
	@command -v perl >/dev/null || { echo "Verilator needs perl; on Debian or Ubuntu: apt-get install perl"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python has no venv module; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "building $(VENV) with $(PYTHON) (about two minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup
	@$(BIN)/qtwin demo

test: setup
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(TEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

test-all: setup
	$(BIN)/python -m pytest --timeout 7200 $(PYTEST_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m hdl.lint

formal: setup
	$(BIN)/python -m hdl.formal

bitstream: setup
	@$(BIN)/qtwin bitstream --board $(BOARD) --code $(CODE) --distance $(DISTANCE) --decoder $(DECODER) $(BITSTREAM_ARGS)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks

synth: setup
	$(BIN)/python -m hdl.synth $(SYNTH_ARGS)

registers: setup
	$(BIN)/python -m hdl.registers

lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml -o requirements.lock

wheel: setup
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
