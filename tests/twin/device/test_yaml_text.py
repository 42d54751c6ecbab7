"""A YAML text has a budget: what would take long or much memory is refused while it is read, and told by its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from twin.device.catalog import DeviceCatalog
from twin.device.errors import ConfigError
from twin.device.yaml_text import YamlBudget, parse_yaml
from twin.settings import default_config_dir

HEAVY = {
    "aliases": ("a: &a [1]\nb: [*a, *a]\n", r"YAML aliases .* \(line 2\)"),
    "merge keys": ("a: 1\nb: {<<: [{c: 1}, {c: 2}]}\n", r"YAML merge keys .* \(line 2\)"),
    "many keys": (
        "".join(f"k{index}: 1\n" for index in range(100_000)),
        r"more than 60000 keys and values \(line 30000\)",
    ),
    "many lists": ("[" + "[]," * 100_000 + "]", "more than 60000"),
    "deep lists": ("[" * 10_000 + "]" * 10_000, r"nested more than 32 deep \(line 1\)"),
    "deep blocks": ("- " * 10_000, "nested more than 32 deep"),
    "a number to base 60": ("a: " + ":".join(["1"] * 100_000), "199999 characters, over the limit of 1000"),
    "a long number": ("a: " + "9" * 5000, "over the limit of 1000"),
    "a tag": ("a: !!bool x", "not valid YAML: tags are not allowed, got 'tag:yaml.org,2002:bool'"),
    "an object": ("a: !!python/object/apply:os.getpid []", "tags are not allowed"),
    "a date that is none": ("a: 2001-13-45", "is not valid YAML: month"),
    "size": ("#" * (2**20 + 1), "1048577 bytes, over the limit of 1048576"),
    "a key twice": ("qubits:\n  0: {t1_us: 1}\n  1: 2\n  0: {}\n", "the key 0 .* is on line 2 and on line 4; keep one"),
    "a key twice in a flow": ("a: [{b: 1, 'b': 2}]", "the key 'b' .* is on line 1 and on line 1"),
    "a number twice, written otherwise": ("0x10: 1\n16: 2\n", "the key 16 .* is on line 1 and on line 2"),
    "a list as key": ("{[1, 2]: 3}", "is not valid YAML"),
    "a long key twice": (f"'{'k' * 1000}': 1\n" * 2, "on line 1 and on line 2"),
    "a lone surrogate": ("a: \ud800", "is not valid YAML"),
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_would_cost_much_is_refused(name: str) -> None:
    text, message = HEAVY[name]
    with pytest.raises(ConfigError, match=message) as refused:
        parse_yaml("noise/x.yaml", text)
    assert str(refused.value).startswith("noise/x.yaml: ")
    assert len(str(refused.value)) < 500


def test_a_key_may_be_in_several_mappings() -> None:
    text = "0: {a: 1, b: {a: 2}}\n'0': {a: 3}\n"
    assert parse_yaml("x", text) == {0: {"a": 1, "b": {"a": 2}}, "0": {"a": 3}}


def test_a_text_at_its_limits_is_read() -> None:
    budget = YamlBudget(max_bytes=100, max_nodes=7, max_depth=3, max_plain_chars=5)
    text = "a: [[12345, 'a long text in quotes']]\n"  # a map, a key, two lists and two values
    assert parse_yaml("x", text, budget) == {"a": [[12345, "a long text in quotes"]]}
    for tighter in (
        YamlBudget(max_bytes=len(text) - 1),
        YamlBudget(max_nodes=5),
        YamlBudget(max_depth=2),
        YamlBudget(max_plain_chars=4),
    ):
        with pytest.raises(ConfigError):
            parse_yaml("x", text, tighter)


@pytest.mark.parametrize("path", sorted(default_config_dir().rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_mean_what_pyyaml_reads(path: Path) -> None:
    text = path.read_text()
    assert parse_yaml(path.name, text) == yaml.safe_load(text)


def _line(num_qubits: int) -> tuple[str, str]:
    """Device and noise file of a line of qubits, with every value and pair written out."""
    pairs = ", ".join(f"[{index}, {index + 1}]" for index in range(num_qubits - 1))
    places = ", ".join(f"[{index}, 0]" for index in range(num_qubits))
    device = f"""device:
  n_qubits: {num_qubits}
  basis_gates: [cz, rz, sx, x]
  coupling_map: [{pairs}]
  qubit_positions: [{places}]
  max_shots: 1000
  max_circuits_per_job: 10
  durations_ns: {{single_qubit: 20, measure: 300, reset: 300}}
"""
    qubit = "{t1_us: 50.0, t2_us: 40.0, frequency_ghz: 5.0, anharmonicity_ghz: -0.3, prob_meas1_prep0: 0.01, \
prob_meas0_prep1: 0.02, gate_error: 0.001, reset_error: 0.0}"
    noise = "noise:\n  qubits:\n" + "".join(f"    {index}: {qubit}\n" for index in range(num_qubits)) + "  edges:\n"
    noise += "".join(f"    {i}-{i + 1}: {{error: 0.01, duration_ns: [40, 41]}}\n" for i in range(num_qubits - 1))
    return device, noise


def test_the_largest_device_is_read(tmp_path: Path) -> None:
    shutil.copytree(default_config_dir(), tmp_path, dirs_exist_ok=True)
    device, noise = _line(1024)
    texts = {"devices/line.yaml": device, "noise/line.yaml": noise}
    top = (tmp_path / "backends.yaml").read_text()
    entry = "  - {{backend_id: line{}, device: line, noise: line}}\n"
    catalog = DeviceCatalog.load(tmp_path, {**texts, "backends.yaml": top + entry.format(0)})
    assert catalog.devices["line0"].n_qubits == 1024
    assert catalog.devices["line0"].qubits[1023].prob_meas0_prep1 == 0.02
    many = top + "".join(entry.format(index) for index in range(17))
    with pytest.raises(ConfigError, match="more than 16384 qubits in all"):
        DeviceCatalog.load(tmp_path, {**texts, "backends.yaml": many})


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("noise/x.yaml", "{key}: 1\n", "20000 keys, expected at most"),
        ("noise/x.yaml", "noise:\n  qubits: {map}", "noise.qubits: 20000 keys, expected at most 1024"),
        ("noise/x.yaml", "noise:\n  edges: {map}", "noise.edges: 20000 keys, expected at most 4096"),
        ("scenarios/x.yaml", "scenario:\n  qubits: {map}", "scenario.qubits: 20000 keys, expected at most 1024"),
        ("backends.yaml", "backends: {list}", "backends.0: "),
    ],
)
def test_many_faults_are_told_shortly(tmp_path: Path, path: str, text: str, message: str) -> None:
    shutil.copytree(default_config_dir(), tmp_path, dirs_exist_ok=True)
    numbers = range(20_000)
    text = text.replace("{key}: 1\n", "".join(f"k{index}: 1\n" for index in numbers))
    text = text.replace("{map}", "{" + ", ".join(f"k{index}: 1" for index in numbers) + "}")
    text = text.replace("{list}", "[" + ", ".join("x" for _ in numbers) + "]")
    with pytest.raises(ConfigError, match=message) as refused:
        DeviceCatalog.load(tmp_path, {path: text})
    assert len(str(refused.value)) < 500
