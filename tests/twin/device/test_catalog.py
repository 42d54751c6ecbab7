"""The configuration directory: shipped files, faults that name file and field, a device added by files alone."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.device import Device
from twin.device.errors import ConfigError
from twin.settings import default_config_dir


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_config_dir(), tmp_path / "config"))


def test_load_has_the_published_calibration(jakarta: Device) -> None:
    assert (jakarta.n_qubits, jakarta.max_shots, jakarta.max_circuits_per_job) == (7, 100_000, 300)
    assert jakarta.basis_gates == ("cx", "id", "rz", "sx", "x")
    assert jakarta.qubits[3].t1_us == 112.677
    assert jakarta.qubits[4].prob_meas1_prep0 == 0.0614
    assert jakarta.edges[0, 1].duration_ns == 234.7
    assert jakarta.edges[1, 0].duration_ns == 270.2
    assert jakarta.edges[4, 5].error == jakarta.edges[5, 4].error == 0.013420


def test_load_has_room_for_the_codes(catalog: DeviceCatalog) -> None:
    assert {name: device.n_qubits for name, device in catalog.devices.items()} == {
        "ibm_jakarta_like": 7,
        "surface17_like": 17,
        "willow_like": 105,
        "willow_drifting_like": 105,
        "repetition29_like": 29,
    }
    assert "noisy_day" in catalog.scenarios


def test_device_survives_pickling(jakarta: Device) -> None:
    assert pickle.loads(pickle.dumps(jakarta)).details() == jakarta.details()


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        ("noise/ibm_jakarta_like.yaml", "t1_us: 81.764", "t1_us: -1", "noise.qubits.0.t1_us"),
        ("noise/ibm_jakarta_like.yaml", "t1_us: 81.764", "t1_us: .nan", "noise.qubits.0.t1_us"),
        ("noise/ibm_jakarta_like.yaml", "t1_us: 81.764", "t_one: 81.764", "noise.qubits.0.t_one"),
        ("noise/ibm_jakarta_like.yaml", "t1_us: 81.764, ", "", "noise.qubits.0.t1_us"),
        ("noise/ibm_jakarta_like.yaml", '"0-1"', '"0-2"', "noise.edges.0-2"),
        ("noise/ibm_jakarta_like.yaml", '"0-1"', '"2-1"', "noise.edges.2-1: this pair|noise.edges.1-2: this pair"),
        ("devices/ibm_jakarta_like.yaml", "n_qubits: 7", "n_qubits: 8", "device.qubit_positions"),
        ("devices/ibm_jakarta_like.yaml", "[5, 6]", "[5, 7]", "device.coupling_map.5"),
        ("devices/ibm_jakarta_like.yaml", "cx, id", "cx, cz, id", "device.basis_gates"),
        ("devices/ibm_jakarta_like.yaml", "max_shots: 100000", "max_shots: many", "device.max_shots"),
        ("backends.yaml", "device: ibm_jakarta_like", "device: absent", "devices/absent.yaml"),
        ("backends.yaml", "backend_id: willow_like", "backend_id: surface17_like", "twice"),
        ("scheduler/default.yaml", "order: fair", "order: unfair", "scheduler.order"),
        ("scenarios/noisy_day.yaml", "t1: 0.7", "t1: -0.7", "scenario.multipliers.t1"),
        ("backends.yaml", "backends:", "backends: !!python/object/apply:os.getcwd []\nmore:", "not valid YAML"),
    ],
)
def test_load_names_file_and_field(config_dir: Path, path: str, old: str, new: str, named: str) -> None:
    text = (config_dir / path).read_text()
    assert old in text
    with pytest.raises(ConfigError, match=named) as caught:
        DeviceCatalog.load(config_dir, {path: text.replace(old, new, 1)})
    assert path in str(caught.value) or "devices/absent.yaml" in str(caught.value)


def test_load_refuses_aliases(config_dir: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(3)) + "scenario: *a\n"
    with pytest.raises(ConfigError, match=r"scenarios/bomb\.yaml: YAML aliases"):
        DeviceCatalog.load(config_dir, {"scenarios/bomb.yaml": bomb})


def test_load_checks_files_that_no_backend_uses(config_dir: Path) -> None:
    (config_dir / "noise" / "spare.yaml").write_text("noise: {qubits: {0: {t1_us: 0}}}")
    with pytest.raises(ConfigError, match=r"noise/spare\.yaml: noise\.qubits\.0\.t1_us"):
        DeviceCatalog.load(config_dir)


def test_load_takes_a_device_added_by_files_alone(config_dir: Path) -> None:
    with (config_dir / "backends.yaml").open("a") as backends:
        backends.write("  - {backend_id: pair, device: pair, noise: pair}\n")
    (config_dir / "devices" / "pair.yaml").write_text(
        "device: {n_qubits: 2, basis_gates: [cz, id, rz, sx, x], coupling_map: [[1, 0]],"
        " qubit_positions: [[0, 0], [1, 0]], max_shots: 10, max_circuits_per_job: 1,"
        " durations_ns: {single_qubit: 20, measure: 300, reset: 300}}"
    )
    (config_dir / "noise" / "pair.yaml").write_text(
        "noise: {qubit: {t1_us: 50, t2_us: 60, prob_meas1_prep0: 0.01, prob_meas0_prep1: 0.02, gate_error: 0.001},"
        " qubits: {1: {t1_us: 40}}, edge: {error: 0.01, duration_ns: [40, 50]}}"
    )
    device = DeviceCatalog.load(config_dir).devices["pair"]
    assert [qubit.t1_us for qubit in device.qubits] == [50, 40]
    assert device.edges[0, 1].duration_ns == 40
    assert device.edges[1, 0].duration_ns == 50


def test_scenario_reports_the_keys_it_ignores(config_dir: Path) -> None:
    text = "scenario: {multipliers: {gate_error: 2, gate_eror: 3}, colour: red, qubits: {1: {t1: 0.5, t3: 1}}}\nx: 1\n"
    scenario = DeviceCatalog.load(config_dir, {"scenarios/odd.yaml": text}).scenarios["odd"]
    assert set(scenario.ignored_keys) == {
        "x",
        "scenario.colour",
        "scenario.multipliers.gate_eror",
        "scenario.qubits.1.t3",
    }
    assert "scenario.multipliers.gate_error" in scenario.recognized_keys
    assert scenario.factors(1).t1 == 0.5
    assert scenario.factors(0).gate_error == 2
