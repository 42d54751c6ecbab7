"""Checks of what a decoder starts from: registers that nothing sets before they are read."""

import numpy as np

from bridge.doctor.answers import Answers
from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.four_state import XFound, run_four_state
from bridge.doctor.patient import Patient, Shots
from bridge.doctor.stream_checks import difference
from bridge.probe import ONES
from hdl.errors import HdlError

STARTS = {"ones": ONES, "random values (seed 1)": 1, "random values (seed 2)": 2}
FOUR_STATE_SHOTS = 60
SET_IT = "give each register that an answer depends on a value in the reset, or write it before it is read"


def initial_values(patient: Patient, shots: Shots, most_shots: int, limit_s: float) -> Finding:
    """Whether the answers are the same from all zeros, from all ones and from random initial values.

    Args:
        patient: under examination.
        shots: that are sent over and over.
        most_shots: after each power-on.
        limit_s: wall clock of all runs; fewer shots are sent where a simulation is slow.
    """
    check = "initial values do not matter"
    affordable = int(limit_s / (1 + len(STARTS)) / max(patient.shot_s, 1e-7))
    order = np.arange(max(len(shots), min(most_shots, affordable))) % len(shots)
    words = patient.words(shots.events)[order]
    _, zeros = patient.answer(words, len(order))
    try:
        for name, seed in STARTS.items():
            patient.bench.power_on(seed)
            _, answers = patient.answer(words, len(order))
            if answers.garbage or not _alike(patient, zeros, answers):
                return failed(
                    check, "uninitialised registers reach the answers",
                    f"with {name} in place of zeros in all that no reset and no `initial` sets: "
                    f"{difference(patient.contents(zeros), patient.contents(answers), answers)}", SET_IT, seed=seed,
                )  # fmt: skip
    finally:
        patient.bench.power_on(0)
    return passed(check, f"{len(order):,} shots from zeros, {', '.join(STARTS)}: the same answers")


def _alike(patient: Patient, one: Answers, other: Answers) -> bool:
    """Whether two runs say the same; contents in words are for a few answers."""
    if one.kinds() != other.kinds() or one.tags() != other.tags():
        return False
    return np.array_equal(patient.meaning(one), patient.meaning(other))


def no_unknown_values(patient: Patient, shots: Shots) -> Finding:
    """Whether no X reaches the output in a simulation with four states."""
    check = "no X in the output"
    some = shots.where(np.linspace(0, len(shots) - 1, FOUR_STATE_SHOTS).astype(np.intp))
    try:
        result = run_four_state(patient.decoder, patient.words(some.events), len(some))
    except HdlError as error:
        return skipped(check, str(error))
    if result.x is None:
        return passed(check, f"{result.num_words} words of {result.num_answers} answers in Icarus, four states")
    if result.x.where == "m_axis_tdata" and not _is_read(patient, result.x):
        return passed(check, f"{result.x.text} in Icarus, in bits that are not read")
    return failed(
        check, f"X in {result.x.where}", f"in Icarus, four states: {result.x.text}", SET_IT,
    )  # fmt: skip


def _is_read(patient: Patient, x: XFound) -> bool:
    """Whether an unknown bit of an answer's words could change what the host reads."""
    bits = patient.dialect.correction_bits
    if x.is_trailer or x.word is None:
        return True
    if patient.dialect.speaks_qds1:
        known_from = max(0, bits - 32 * x.word)
        return bool(x.mask & ((1 << min(32, known_from)) - 1))
    if patient.manifest.stream is None:
        return True
    low = np.zeros((1, bits), dtype=np.uint8)
    high = low.copy()
    for bit in range(32):
        if x.mask >> bit & 1 and 32 * x.word + bit < bits:
            high[0, 32 * x.word + bit] = 1
    return bool((patient.dialect.flips(low) != patient.dialect.flips(high)).any())
