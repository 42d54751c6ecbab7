"""The examination: `examine` is the order of the checks on one screen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.doctor.decoding_checks import annihilates_the_syndrome, answers_vary, helps, right_way_round, single_errors
from bridge.doctor.findings import Diagnosis, Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots
from bridge.doctor.stream_checks import (
    STALL_SHOTS,
    faults_are_survived,
    handshake,
    one_answer_a_shot,
    reset_forgets,
    timing_independence,
)
from bridge.doctor.timing_checks import keeps_the_deadline, latency_is_true
from bridge.errors import RegisterError
from bridge.probe import Bench
from bridge.problem import DecodingProblem
from hdl.compile.manifest import DecoderFolder
from hdl.registers.map import ID_VALUE, Address


@dataclass(frozen=True, slots=True)
class Examination:
    """How thoroughly. deadline_ns: for one answer; None for the time that the device takes for a shot.

    shots: of the long run; a decoder that drops one shot in a thousand at random passes 8,192 with a chance of 3e-4.
    """

    shots: int = 8192
    order_shots: int = 1000
    paced_shots: int = 1000
    seed: int = 1
    deadline_ns: float | None = None


def examine(
    decoder: DecoderFolder, problem: DecodingProblem, session: Mapping[str, Any], settings: Examination
) -> Diagnosis:
    """Look at everything that can be wrong with a decoder.

    Args:
        decoder: manifest and RTL.
        problem: what it should solve; its error model gives the shots.
        session: the memory as a twin describes it (`round_time_ns`, `stabilizers`).
        settings: how thoroughly.

    Raises:
        LinkOpenError: the RTL does not build.
    """
    with Bench(decoder) as bench:
        patient = Patient(bench, decoder, problem)
        shots = patient.sample(settings.shots, settings.seed)
        telling = patient.sample(8 * settings.order_shots, settings.seed + 1)
        telling = telling.where(telling.events.any(axis=1))
        words = patient.words(shots.events)
        observation, answers = patient.answer(words, len(shots))
        findings = [identity(patient), one_answer_a_shot(observation, answers, words.size, len(shots))]
        if answers.garbage or not answers.messages:
            return Diagnosis(decoder.manifest.name, (*findings, _nothing_more()), 0)
        different, observations = timing_independence(patient, telling.where(_first(telling, STALL_SHOTS)))
        findings += [
            handshake([observation, *observations]),
            different,
            reset_forgets(patient, telling),
            faults_are_survived(patient, telling),
        ]
        if findings[1].state == "fail":
            return Diagnosis(decoder.manifest.name, (*findings, _nothing_more()), 0)
        flips, corrections = patient.flips(answers), answers.corrections(patient.dialect.correction_bits)
        order, num_compared = right_way_round(patient, telling.where(_first(telling, settings.order_shots)), session)
        findings += [
            latency_is_true(observation, answers, words.shape[1]),
            keeps_the_deadline(
                patient, telling.where(_first(telling, settings.paced_shots)), float(session["round_time_ns"]),
                settings.deadline_ns, observation,
            ),
            answers_vary(flips, shots.reference),
            annihilates_the_syndrome(patient, corrections, shots),
            order,
            single_errors(patient),
            helps(flips, shots),
        ]  # fmt: skip
        return Diagnosis(decoder.manifest.name, tuple(findings), num_compared + 1)


def identity(patient: Patient) -> Finding:
    """Whether the registers say what the bridge asks for before a run."""
    check = "tells who it is"
    asked = patient.graph_hash
    try:
        found = {name: patient.bench.read_register(Address[name]) for name in ("ID", "GRAPH_HASH")}
    except RegisterError as error:
        return failed(
            check, "registers do not answer", str(error), "an AXI4-Lite read of ID (0x000) and GRAPH_HASH (0x008)"
        )
    for name, expected in (("ID", ID_VALUE), ("GRAPH_HASH", asked)):
        if found[name] != expected:
            return failed(
                check, f"wrong {name}", f"it reads 0x{found[name]:08x}, expected 0x{expected:08x}",
                "the loop refuses such a decoder; give the register this value, or name the memory it was made for",
            )  # fmt: skip
    return passed(check, f"ID, GRAPH_HASH 0x{asked:08x}")


def _nothing_more() -> Finding:
    return skipped("corrections and timing", "judged when each shot is answered")


def _first(shots: Shots, count: int) -> NDArray[np.bool_]:
    return np.arange(len(shots)) < count
