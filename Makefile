# make setup | demo | test | lint | formal | bitstream | bench | synth: see README.md
VENV := .venv
BIN := $(VENV)/bin
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
	@echo "make setup   only build $(VENV), with everything"

# .venv: the script says at once what the machine lacks, and installs what is not there yet. PYTHON names an interpreter.
setup:
	@scripts/setup.sh dev

demo:
	@scripts/setup.sh demo
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
	$(BIN)/python -m build --wheel --no-isolation --outdir dist scripts/board_driver

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
