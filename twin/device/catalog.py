"""Reads the configuration directory into devices and scenarios; every fault names its file and field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from twin.device.device import (
    Device,
    DriftSettings,
    Durations,
    EdgeCalibration,
    Factors,
    QubitCalibration,
    Scenario,
    SchedulerSettings,
)
from twin.device.errors import ConfigError, described, faults_of
from twin.device.schema import (
    BackendEntry,
    BackendsFile,
    DeviceFile,
    DeviceModel,
    EdgeModel,
    NoiseFile,
    NoiseModel,
    QubitModel,
    ScenarioFactors,
    ScenarioFile,
    SchedulerFile,
)
from twin.device.yaml_text import parse_yaml

AnyFile = TypeVar("AnyFile", bound=BaseModel)
MAX_TOTAL_QUBITS = 16_384
NO_TEXTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class DeviceCatalog:
    """All backends and scenarios of one configuration directory."""

    devices: Mapping[str, Device]
    scenarios: Mapping[str, Scenario]

    @classmethod
    def load(cls, config_dir: Path, texts: Mapping[str, str] = NO_TEXTS) -> DeviceCatalog:
        """Read and check every file of the directory.

        Args:
            config_dir: holds backends.yaml, devices/, noise/, scheduler/ and scenarios/.
            texts: contents to take in place of files, by path relative to the directory
                ("noise/x.yaml"): a change can be checked before it is written.

        Raises:
            ConfigError: a file is missing or does not fit; the message names file and field.
        """
        reader = _Reader(config_dir, texts)
        entries = reader.read("backends.yaml", BackendsFile).backends
        devices = {}
        for entry in entries:
            devices[entry.backend_id] = _device(reader, entry)
            if sum(device.n_qubits for device in devices.values()) > MAX_TOTAL_QUBITS:
                raise ConfigError(f"backends.yaml: the backends have more than {MAX_TOTAL_QUBITS} qubits in all")
        for folder, model in (("devices", DeviceFile), ("noise", NoiseFile), ("scheduler", SchedulerFile)):
            for path in reader.paths(folder):
                reader.read(path, model)
        scenarios = {}
        for path in reader.paths("scenarios"):
            scenario = _scenario(path, reader.raw(path), reader.read(path, ScenarioFile))
            if scenario.name in scenarios:
                raise ConfigError(f"{path}: scenario.name: {scenario.name!r} is the name of another file's scenario")
            scenarios[scenario.name] = scenario
        return cls(devices, scenarios)


class _Reader:
    """Files of one directory, parsed and checked."""

    def __init__(self, config_dir: Path, texts: Mapping[str, str]) -> None:
        self._dir = config_dir
        self._texts = texts
        self._raw: dict[str, object] = {}
        self._read: dict[str, BaseModel] = {}

    def paths(self, folder: str) -> list[str]:
        on_disk = {f"{folder}/{path.name}" for path in (self._dir / folder).glob("*.y*ml")}
        given = {path for path in self._texts if path.startswith(f"{folder}/")}
        return sorted(path for path in on_disk | given if path.endswith((".yaml", ".yml")))

    def named(self, folder: str, name: str) -> str:
        """The path of a file that another file names without its ending."""
        for candidate in (f"{folder}/{name}.yaml", f"{folder}/{name}.yml"):
            if candidate in self._texts or (self._dir / candidate).is_file():
                return candidate
        return f"{folder}/{name}.yaml"

    def raw(self, path: str) -> object:
        """A file's data; parsed once, however many backends name it."""
        if path in self._raw:
            return self._raw[path]
        try:
            text = self._texts[path] if path in self._texts else (self._dir / path).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read in the folder {self._dir}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: is not UTF-8 text: {error}") from error
        self._raw[path] = parse_yaml(path, text)
        return self._raw[path]

    def read(self, path: str, model: type[AnyFile]) -> AnyFile:
        known = self._read.get(path)
        if isinstance(known, model):
            return known
        try:
            self._read[path] = found = model.model_validate(self.raw(path))
            return found
        except ValidationError as error:
            faults = faults_of(error)
            raise ConfigError(f"{path}: {described(faults)}", faults) from error


def _device(reader: _Reader, entry: BackendEntry) -> Device:
    device_path = reader.named("devices", entry.device)
    noise_path = reader.named("noise", entry.noise)
    model = reader.read(device_path, DeviceFile).device
    noise = reader.read(noise_path, NoiseFile).noise
    scheduler = reader.read(reader.named("scheduler", entry.scheduler), SchedulerFile).scheduler
    _check_device(device_path, model)
    edges = _edges(noise_path, noise, model)
    return Device(
        backend_id=entry.backend_id,
        description=model.description,
        n_qubits=model.n_qubits,
        basis_gates=tuple(model.basis_gates),
        coupling_map=tuple(sorted(edges)),
        qubit_positions=tuple(model.qubit_positions),
        max_shots=model.max_shots,
        max_circuits_per_job=model.max_circuits_per_job,
        operational=entry.operational,
        dt_ns=model.dt_ns,
        durations=Durations(model.durations_ns.single_qubit, model.durations_ns.measure, model.durations_ns.reset),
        qubits=_qubits(noise_path, noise, model.n_qubits),
        edges=edges,
        schedule=model.schedule,
        drift=DriftSettings(**noise.drift.model_dump()),
        scheduler=SchedulerSettings(**scheduler.model_dump()),
    )


def _check_device(path: str, model: DeviceModel) -> None:
    if len(model.qubit_positions) != model.n_qubits:
        raise ConfigError(
            f"{path}: device.qubit_positions: {len(model.qubit_positions)} positions for {model.n_qubits} qubits"
        )
    for index, (a, b) in enumerate(model.coupling_map):
        if a == b or max(a, b) >= model.n_qubits:
            raise ConfigError(
                f"{path}: device.coupling_map.{index}: [{a}, {b}] is no pair of two of the {model.n_qubits} qubits"
            )
    if ("cx" in model.basis_gates) == ("cz" in model.basis_gates):
        raise ConfigError(f"{path}: device.basis_gates: needs exactly one of cx and cz")
    missing = {"rz", "sx", "x"} - set(model.basis_gates)
    if missing:
        raise ConfigError(f"{path}: device.basis_gates: lacks {', '.join(sorted(missing))}")


def _qubits(path: str, noise: NoiseModel, n_qubits: int) -> tuple[QubitCalibration, ...]:
    absent = sorted(index for index in noise.qubits if index >= n_qubits)
    if absent:
        raise ConfigError(f"{path}: noise.qubits.{absent[0]}: the device has qubits 0 to {n_qubits - 1}")
    default = noise.qubit.model_dump() if noise.qubit else {}
    calibrations = []
    for index in range(n_qubits):
        own = noise.qubits[index].model_dump(exclude_unset=True) if index in noise.qubits else {}
        try:
            qubit = QubitModel.model_validate(default | own)
        except ValidationError as error:
            faults = faults_of(error, ("noise", "qubits", index))
            raise ConfigError(f"{path}: {described(faults)}", faults) from error
        calibrations.append(QubitCalibration(**qubit.model_dump()))
    return tuple(calibrations)


def _edges(path: str, noise: NoiseModel, model: DeviceModel) -> dict[tuple[int, int], EdgeCalibration]:
    pairs = {(min(a, b), max(a, b)) for a, b in model.coupling_map}
    given: dict[tuple[int, int], tuple[EdgeModel | None, bool]] = {}
    for key, given_edge in noise.edges.items():
        a, b = (int(part) for part in key.split("-"))
        pair = (min(a, b), max(a, b))
        if pair not in pairs:
            raise ConfigError(f"{path}: noise.edges.{key}: the device has no such pair in its coupling_map")
        if pair in given:
            raise ConfigError(f"{path}: noise.edges.{key}: this pair is there twice")
        given[pair] = (given_edge, a > b)
    edges = {}
    for pair in sorted(pairs):
        edge, is_reversed = given.get(pair, (noise.edge, False))
        if edge is None:
            raise ConfigError(f"{path}: noise.edges: nothing for pair {pair[0]}-{pair[1]}, and there is no noise.edge")
        durations = edge.duration_ns if isinstance(edge.duration_ns, tuple) else (edge.duration_ns,) * 2
        forward, backward = durations[::-1] if is_reversed else durations
        edges[pair] = EdgeCalibration(edge.error, forward)
        edges[pair[::-1]] = EdgeCalibration(edge.error, backward)
    return edges


def _scenario(path: str, raw: object, file: ScenarioFile) -> Scenario:
    recognized, ignored = _split_keys(raw if isinstance(raw, Mapping) else {})
    model = file.scenario
    return Scenario(
        name=model.name or Path(path).stem,
        description=model.description,
        multipliers=_factors(model.multipliers),
        qubits={index: _factors(each) for index, each in model.qubits.items()},
        recognized_keys=recognized,
        ignored_keys=ignored,
    )


def _factors(model: ScenarioFactors) -> Factors:
    values = (model.t1, model.t2, model.gate_error, model.readout_error)
    if not all(math.isfinite(value) for value in values):
        raise ConfigError(f"scenario multipliers must be finite, got {values}")
    return Factors(*values)


def _split_keys(raw: Mapping[object, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Dotted keys of a scenario file that mean something, and those that do not."""
    factor_keys = set(ScenarioFactors.model_fields)
    recognized: list[str] = []
    ignored: list[str] = []

    def sort_in(value: object, known: set[str], prefix: str) -> list[tuple[str, object]]:
        kept = []
        for key, inner in value.items() if isinstance(value, Mapping) else ():
            (recognized if str(key) in known else ignored).append(f"{prefix}{key}")
            if str(key) in known:
                kept.append((str(key), inner))
        return kept

    for _, scenario in sort_in(raw, {"scenario"}, ""):
        for key, inner in sort_in(scenario, {"name", "description", "multipliers", "qubits"}, "scenario."):
            if key == "multipliers":
                sort_in(inner, factor_keys, "scenario.multipliers.")
            if key == "qubits" and isinstance(inner, Mapping):
                for qubit, factors in inner.items():
                    sort_in(factors, factor_keys, f"scenario.qubits.{qubit}.")
    return tuple(recognized), tuple(ignored)
