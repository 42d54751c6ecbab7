"""Checks of the stream: one answer a shot, the handshake, gaps and stalls, resets, faults."""

import numpy as np

from bridge.doctor.answers import Answers
from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots
from bridge.probe import Observation, Plan
from qds1 import FaultCode, Kind, header, words_for_bits
from qds1.shots import Words

TAGS = 1 << 16
STALL_SHOTS = 300
PLANS = {
    "gaps in the input": Plan(input_pause_per_mille=600, seed=11),
    "stalls of the output": Plan(output_pause_per_mille=600, seed=12),
    "gaps and stalls": Plan(input_pause_per_mille=300, output_pause_per_mille=300, seed=13),
    "m_axis_tready low for 5,000 cycles": Plan(hold_cycles=5000, seed=14),
}
NEVER_READY = Plan(output_pause_per_mille=1000, silent_cycles=3000)


def one_answer_a_shot(observation: Observation, answers: Answers, num_words: int, num_shots: int) -> Finding:
    """Whether a long run was answered shot for shot, in order."""
    check = "one answer a shot"
    taken = len(observation.taken_cycles)
    tags = answers.tags()
    counts = f"{num_shots} shots, {len(tags)} answers"
    if taken == 0:
        return failed(
            check, "never takes a word", "s_axis_tready stayed low from the reset on",
            "raise s_axis_tready after reset (rst_ni is active low)",
        )  # fmt: skip
    if answers.garbage is not None:
        return failed(
            check, "answers are not qds1", answers.garbage,
            "a CORRECTION is a header (kind 0x81, payload words, tag), the flips, the latency and the status",
        )  # fmt: skip
    if not tags:
        return failed(
            check, "never answers", f"took {taken} of {num_words} words, sent none",
            "check what ends a shot (MEAS_DATA), and m_axis_tvalid",
        )  # fmt: skip
    if tags == [shot % TAGS for shot in range(num_shots)]:
        return passed(check, counts, shots=num_shots)
    return _which_tags(check, counts, tags, num_shots, taken, num_words)


def _which_tags(check: str, counts: str, tags: list[int], num_shots: int, taken: int, num_words: int) -> Finding:
    expected = [shot % TAGS for shot in range(num_shots)]
    missing = sorted(set(expected) - set(tags))
    if set(tags) <= set(expected) and len(set(tags)) == len(tags) and tags == sorted(tags):
        if tags == expected[: len(tags)] and taken < num_words:
            return failed(
                check, "stops answering", f"{counts}: nothing after tag {tags[-1]}, input stalled at word {taken}",
                "a state machine that does not come back, or a queue that is never emptied",
            )  # fmt: skip
        share = len(missing) / num_shots
        return failed(
            check, "drops shots",
            f"{counts}: {len(missing)} shots ({share:.2%}, one in {1 / share:,.0f}) were never answered, "
            f"the first with tag {missing[0]}; their tags {missing[:5]}",
            "look at the shot before the first missing one: a result overwritten before it was sent, or a full queue",
            missing=missing[:100], share=share,
        )  # fmt: skip
    repeated = len(tags) - len(set(tags))
    if repeated and not missing:
        return failed(
            check, "answers a shot twice", f"{counts}: {repeated} tags came more than once",
            "a result must be taken once: clear its valid in the cycle of the handshake",
        )  # fmt: skip
    first = next((i for i, (got, due) in enumerate(zip(tags, expected, strict=False)) if got != due), len(expected))
    got = tags[first] if first < len(tags) else "nothing"
    return failed(
        check, "wrong tags", f"{counts}: answer {first} carries tag {got}, expected {first % TAGS}",
        "an answer carries the tag (bits 31:16 of the header) of its own shot, and answers come in order",
    )  # fmt: skip


def handshake(observations: list[Observation]) -> Finding:
    """Whether m_axis kept to AXI4-Stream: valid stays up, and the word holds, until it is taken."""
    check = "m_axis holds until it is taken"
    for observation in observations:
        times, cycle = observation.withdrawn
        if times:
            return failed(
                check, "m_axis_tvalid falls before the word is taken", f"{times} times, first in cycle {cycle}",
                "once up, m_axis_tvalid stays up until m_axis_tready is up in the same cycle",
            )  # fmt: skip
    for observation in observations:
        times, cycle, before, after = observation.changed
        if times:
            return failed(
                check, "m_axis_tdata changes before the word is taken",
                f"{times} times, first in cycle {cycle}: 0x{before:08x} became 0x{after:08x}",
                "m_axis_tdata may only change in the cycle after m_axis_tvalid and m_axis_tready were both up",
            )  # fmt: skip
    cycles = sum(observation.end_cycle for observation in observations)
    return passed(check, f"{cycles:,} cycles with gaps and stalls watched")


def timing_independence(patient: Patient, shots: Shots) -> tuple[Finding, list[Observation]]:
    """Whether the answers are the same whatever the gaps and stalls."""
    check = "answers do not depend on gaps and stalls"
    words = patient.words(shots.events)
    _, undisturbed = patient.answer(words, len(shots))
    observations, finding = [], None
    for name, plan in PLANS.items():
        observation, answers = patient.answer(words, len(shots), plan)
        observations.append(observation)
        if finding is None and (answers.garbage or answers.contents() != undisturbed.contents()):
            finding = failed(
                check, "does not honour backpressure" if plan.output_pause_per_mille or plan.hold_cycles
                else "does not bear gaps in the input",
                f"with {name}: {_difference(undisturbed, answers)}",
                "nothing may move on the output without m_axis_tready, nor on the input without s_axis_tvalid and "
                "s_axis_tready; stall the input when there is no room for an answer",
            )  # fmt: skip
    return finding or passed(check, f"{len(shots)} shots, {len(PLANS)} patterns: {', '.join(PLANS)}"), observations


def _difference(undisturbed: Answers, answers: Answers) -> str:
    if answers.garbage:
        return answers.garbage
    ours, theirs = undisturbed.contents(), answers.contents()
    first = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    if first == len(theirs):
        return f"{len(theirs)} answers instead of {len(ours)}"
    if first == len(ours):
        return f"{len(theirs) - len(ours)} answers too many"
    return f"answer {first} is {theirs[first]} instead of {ours[first]}"


def reset_forgets(patient: Patient, shots: Shots) -> Finding:
    """Whether a reset, in mid-shot and with an answer waiting, leaves nothing behind."""
    check = "a reset leaves nothing behind"
    words = patient.words(shots.events[:3])
    _, expected = patient.answer(words[1], 1)
    moments = {"in mid-shot": words[0][: words.shape[1] // 2], "with an answer waiting": words[0]}
    for moment, before in moments.items():
        patient.answer(before, 1, NEVER_READY)
        _, answers = patient.answer(words[1], 1)
        if answers.garbage or answers.contents() != expected.contents():
            return failed(
                check, "a reset does not clear it", f"after a reset {moment}: {_difference(expected, answers)}",
                "rst_ni low must clear the shot in progress, the queues and m_axis_tvalid",
            )  # fmt: skip
    return passed(check, f"reset {' and '.join(moments)}")


def faults_are_survived(patient: Patient, shots: Shots) -> Finding:
    """Whether a faulty or abandoned shot is answered as qds1 says, and the next shot as ever."""
    check = "recovers after a fault"
    if not patient.dialect.speaks_qds1:
        return skipped(check, "this decoder's own stream has no faults")
    first, second = patient.words(shots.events[:2], first_shot=TAGS - 2)
    _, alone = patient.answer(second, 1)
    for what, (bad, code) in _bad_beginnings(patient, first).items():
        _, answers = patient.answer(np.concatenate([bad, second]), 1 if code is None else 2)
        contents, healthy = answers.contents(), alone.contents()
        due = [] if code is None else ["FAULT"]
        if not answers.garbage and answers.kinds() == [*due, "CORRECTION"] and contents[-1:] == healthy:
            if code is None or contents[0][2][:1] == (int(code),):
                continue
            return failed(
                check, "wrong fault code", f"after {what}: fault {contents[0][2][:1]}, expected {int(code)}",
                "see the list of fault codes in docs/qds1.md",
            )  # fmt: skip
        came = answers.garbage or f"{' and '.join(answers.kinds()) or 'nothing'} came"
        wrong = " (with another content than without the fault)" if answers.kinds() == [*due, "CORRECTION"] else ""
        return failed(
            check, "no recovery after a fault" if code is not None else "an abandoned shot spoils the next",
            f"after {what}: {came}{wrong}, expected {' and '.join([*due, 'CORRECTION'])}",
            "answer a wrong message with FAULT, skip to the next shot, and decode that one; a new tag abandons a shot",
        )  # fmt: skip
    return passed(check, f"{', '.join(_bad_beginnings(patient, first))}: the next shot is decoded as ever")


def _bad_beginnings(patient: Patient, shot: Words) -> dict[str, tuple[Words, FaultCode | None]]:
    """What may come before a good shot, and the fault that must answer it."""
    layout = patient.problem.layout
    tag = int(shot[0]) >> 16
    round_words = 1 + words_for_bits(layout.num_stabilizers)
    data_words = 1 + words_for_bits(layout.num_data_qubits)
    too_long = header(Kind.SYNDROME, round_words, tag)
    return {
        "an unknown kind": (np.array([0x55 | tag << 16], dtype=np.uint32), FaultCode.UNKNOWN_KIND),
        "a wrong payload length": (
            np.array([too_long, *[0] * round_words], dtype=np.uint32),
            FaultCode.WRONG_LENGTH,
        ),
        "a readout before the last round": (
            np.concatenate([shot[:round_words] if layout.rounds > 1 else shot[:0], shot[-data_words:]]),
            FaultCode.ILLEGAL_NOW,
        ),
        "an abandoned shot": (shot[:round_words], None),
    }
