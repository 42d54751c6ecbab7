"""`python -m benchmarks.accuracy`: how far each engine and each approximation is from the exact answer.

Prints the tables of docs/accuracy.md. The exact answers come from the density matrix of tests/twin/engines/textbook.py,
and from the exact engine, which is measured against it first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import stim
from numpy.typing import NDArray

from tests.twin.engines.cases import Case, exact_probs, tallied, with_engine
from tests.twin.qec.detection_rates import exact_rates, model_rates, session_of, session_rates
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.engines import execute, prepare
from twin.engines.clifford_program import MAX_SINGLE_SHOT_STEPS
from twin.engines.preparation import Engine
from twin.qec.session import LiveSession

CONFIG = Path(__file__).resolve().parents[1] / "config"
CIRCUITS = 20
SAMPLED: Mapping[Engine, int] = {"stabilizer": 20_000, "aer_statevector": 2_000, "aer_matrix_product_state": 2_000}
"""Engines that sample, and the shots for each circuit."""
MEMORY_SHOTS, ROUNDS = 500_000, 3
LARGEST_EXACT = 7
"""Qubits of a memory that the exact engine can do."""
EXPECTED_AT_LEAST = 5
"""Outcomes that are expected more rarely go together in chi-squared."""
MEMORIES = (
    ("repetition29_like", "repetition", 3),
    ("ibm_jakarta_like", "repetition", 3),
    ("surface17_like", "surface", 2),
    ("surface17_like", "surface", 3),
    ("willow_like", "surface", 3),
)

Probs = NDArray[np.float64]


def chi_squared(found: NDArray[np.int64], probs: Probs) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom; rare outcomes are one class."""
    expected = probs * found.sum()
    common = expected >= EXPECTED_AT_LEAST
    pairs = [*zip(found[common], expected[common], strict=True), (found[~common].sum(), expected[~common].sum())]
    terms = [(a - b) ** 2 / b for a, b in pairs if b >= EXPECTED_AT_LEAST]
    return float(sum(terms)), max(0, len(terms) - 1)


def engine_lines(catalog: DeviceCatalog) -> list[str]:
    """One table row for each engine and device."""
    lines = []
    devices = {"T2 <= T1": catalog.devices["ibm_jakarta_like"], "T1 < T2 <= 2 T1": catalog.devices["surface17_like"]}
    for regime, device in devices.items():
        circuits = [Case.of(seed, device, catalog) for seed in range(CIRCUITS)]
        exact = [exact_probs(case.from_stim, case.snapshot) for case in circuits]
        furthest = max(float(np.abs(probs - case.probs).sum()) / 2 for probs, case in zip(exact, circuits, strict=True))
        lines.append(_row("density_matrix", regime, "exact", f"{furthest:.0e} at most, no sampling"))
        lines += [_sampled(engine, regime, circuits, shots) for engine, shots in SAMPLED.items()]
    return lines


def _sampled(engine: Engine, regime: str, circuits: Sequence[Case], shots: int) -> str:
    statistic, freedom, size, furthest = 0.0, 0, 0.0, 0.0
    for seed, case in enumerate(circuits):
        result = execute(with_engine(case.from_qasm, engine), case.snapshot, shots, seed=seed)
        found = tallied(result.counts, len(case.circuit.inverted), case.inverted)
        value, degrees = chi_squared(found, case.probs)
        statistic, freedom = statistic + value, freedom + degrees
        size = max(size, sum(result.approximation_sizes.values()))
        furthest = max(furthest, float(np.abs(found / shots - case.probs).sum()) / 2)
    if size < 1e-6:
        z = (statistic - freedom) / math.sqrt(2 * freedom)
        return _row(
            engine, regime, "exact", f"chi-squared {statistic:.0f} of {freedom} degrees of freedom (z {z:+.1f})"
        )
    return _row(engine, regime, f"{size:.3f}", f"{furthest:.3f} at most, sampling included")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def ghz_lines(catalog: DeviceCatalog) -> list[str]:
    """A 12-qubit GHZ state that waits 10 us, with resets and with the twirl throughout; and a sample of the same size
    of the exact engine's."""
    device = catalog.devices["repetition29_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    chain = "".join(f"cx q[{i}],q[{i + 1}];" for i in range(11))
    waits = "".join(f"delay(10000) q[{i}];" for i in range(12)) + "".join(f"measure q[{i}]->c[{i}];" for i in range(12))
    text = f'OPENQASM 2.0; include "qelib1.inc"; opaque delay(t) q; qreg q[29]; creg c[12]; h q[0]; {chain} {waits}'
    prepared = prepare(text, device)
    exact = tallied(execute(prepared, snapshot, 4_000_000, seed=1).counts, 12) / 4_000_000
    lines = []
    ways: Sequence[tuple[str, Engine, int]] = (
        ("density_matrix", "density_matrix", MAX_SINGLE_SHOT_STEPS),
        ("stabilizer", "stabilizer", MAX_SINGLE_SHOT_STEPS),
        ("stabilizer, twirl throughout", "stabilizer", 0),
    )
    for name, engine, most_steps in ways:
        with patch("twin.engines.clifford_program.MAX_SINGLE_SHOT_STEPS", most_steps):
            result = execute(with_engine(prepared, engine), snapshot, 200_000, seed=2)
        off = float(np.abs(tallied(result.counts, 12) / 200_000 - exact).sum()) / 2
        size = sum(result.approximation_sizes.values())
        lines.append(_row(name, "12-qubit GHZ, 10 us", f"{size:.3f}" if size else "exact", f"{off:.3f}"))
    return lines


def memory_lines(catalog: DeviceCatalog) -> list[str]:
    """Sessions against the error model that they serve; where the exact engine can, against it, too."""
    lines = []
    for name, family, distance in MEMORIES:
        device = catalog.devices[name]
        snapshot = compose(device, catalog.scenarios, ControllerState())
        for state in ("random", "zeros", "ones"):
            body = {"code_family": family, "code_distance": distance, "initial_state": state}
            session = session_of(device, snapshot, MEMORY_SHOTS, ROUNDS, **body)
            found, served = session_rates(session), model_rates(session.detector_error_model(snapshot))
            z = float(np.abs((found - served) / np.sqrt(served * (1 - served) / MEMORY_SHOTS)).max())
            sizes = session.info()["approximation_sizes"]
            exact = "-"
            if len(session.memory.placement.qubits) <= LARGEST_EXACT:
                truth = _exact(session, device, snapshot)
                exact = f"{float(np.abs(found - truth).max()):.4f}"
            lines.append(
                _row(
                    f"`{name}`, {family} d={distance}",
                    f"`{state}`",
                    f"{found.mean():.4f}",
                    f"{served.mean():.4f}",
                    f"{z:.1f}",
                    exact,
                    f"{max(sizes.values(), default=0.0):.5f}",
                )
            )
    return lines


def _exact(session: LiveSession, device: Device, snapshot: NoiseSnapshot) -> Probs:
    """Detection rates of the exact engine, averaged over the bit strings that the initial state stands for."""
    data, state = session.memory.code.num_data_qubits, session.spec.prepared
    strings = list(product((0, 1), repeat=data)) if state == "random" else [(int(state == "ones"),) * data]
    shots = MEMORY_SHOTS // len(strings)
    rates = [exact_rates(session, device, snapshot, shots, np.flatnonzero(string).tolist()) for string in strings]
    return np.asarray(np.mean(rates, axis=0))


def text_line(catalog: DeviceCatalog) -> str:
    """How far the error model of the served circuit, which is text, is from the served error model."""
    device = catalog.devices["surface17_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    session = session_of(device, snapshot, 1, 3, code_family="surface")
    text = stim.Circuit(str(session.circuit(snapshot)))
    direct, through = (
        model_rates(model) for model in (session.detector_error_model(snapshot), text.detector_error_model())
    )
    return f"{float(np.abs(through / direct - 1).max()):.0e}"


def main() -> None:
    """Measure and print."""
    catalog = DeviceCatalog.load(CONFIG)
    print("| engine | circuits | stated size | distance from the exact distribution |")
    print("| --- | --- | --- | --- |")
    print("\n".join([*engine_lines(catalog), *ghz_lines(catalog)]), flush=True)
    print("\n| device, code | `initial_state` | session | model | largest z | from the exact engine | stated size |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(memory_lines(catalog)))
    print(f"\nthe circuit as text: {text_line(catalog)} of a detector's rate")


if __name__ == "__main__":
    main()
