"""Checks of the stream: one answer a shot, the handshake, gaps and stalls, resets, faults."""

from dataclasses import replace

import numpy as np

from bridge.doctor.answers import Answers
from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.patient import Content, Patient, Shots
from bridge.probe import Observation, Plan
from hdl.compile.stream_wrapper import AdapterStatus
from qds1 import FaultCode, Kind, header, words_for_bits
from qds1.shots import Words

TAGS = 1 << 16
GAPS_AND_STALLS = "answers do not depend on gaps and stalls"
STALL_SHOTS = 300
HOLD = "m_axis_tready low for {:,} cycles"
HOLD_CYCLES = 5000
PLANS = {
    "gaps in the input": Plan(input_pause_per_mille=600, seed=11),
    "stalls of the output": Plan(output_pause_per_mille=600, seed=12),
    "gaps and stalls": Plan(input_pause_per_mille=300, output_pause_per_mille=300, seed=13, look_twice=True),
    HOLD: Plan(hold_cycles=HOLD_CYCLES, seed=14),
}
NEVER_READY = Plan(output_pause_per_mille=1000, silent_cycles=3000)
FEWER_IN_FLIGHT = (16, 8, 4, 2, 1)


def one_answer_a_shot(patient: Patient, observation: Observation, answers: Answers, num_shots: int) -> Finding:
    """Whether a long run was answered shot for shot, in order."""
    check = "one answer a shot"
    num_words = num_shots * patient.shot_words
    taken = len(observation.taken_cycles)
    tags = answers.tags()
    counts = f"{num_shots} shots, {len(tags)} answers"
    if observation.full:
        return failed(
            check, "sends without end", f"{counts}: {len(observation.words)} words came, twice as many as all answers "
            "have, and the doctor took no more", "m_axis_tvalid is up only while a word of an answer waits",
        )  # fmt: skip
    if observation.out_of_time:
        return skipped(check, f"{counts} after {patient.limit_s:.0f} s: its simulation is slow; take fewer --shots")
    if taken == 0:
        return failed(
            check, "never takes a word", f"{_input_ready(patient)} stayed low from the reset on",
            f"raise {_input_ready(patient)} after reset ({_reset(patient)}: is it held in it?)",
        )  # fmt: skip
    if answers.garbage is not None:
        return failed(
            check, "answers are not qds1", answers.garbage,
            "a CORRECTION is a header (kind 0x81, payload words, tag), the flips, the latency and the status",
        )  # fmt: skip
    if not tags:
        return failed(
            check, "never answers", f"took {taken} of {num_words} words, sent none",
            f"{_shot_end(patient)}; and that it is not held in reset: {_reset(patient)}",
        )  # fmt: skip
    if tags == [shot % TAGS for shot in range(num_shots)]:
        return passed(check, f"{counts}{_wrapped(num_shots)}", shots=num_shots)
    return _which_tags(patient, check, counts, tags, num_shots, taken, num_words)


def _wrapped(num_shots: int) -> str:
    return f", tags past their wrap at {TAGS:,}" if num_shots > TAGS else ""


def _input_ready(patient: Patient) -> str:
    stream = patient.manifest.stream
    return "s_axis_tready" if stream is None else stream.ports.in_ready


def _reset(patient: Patient) -> str:
    stream = patient.manifest.stream
    if stream is None:
        return "rst_ni is active low, a register is reset while it is 0: `if (!rst_ni)`"
    return f"{stream.ports.reset} is active {stream.ports.reset_active}" if stream.ports.reset else "it has none"


def _shot_end(patient: Patient) -> str:
    stream = patient.manifest.stream
    if stream is None:
        return "check what ends a shot (MEAS_DATA), and m_axis_tvalid"
    valid = f"{stream.ports.out_valid} has to go up for" if stream.has("valid", "out") else "there have to be"
    return (
        f"a shot is {stream.shot_words} words of {stream.ports.in_data}; after its last one {valid} "
        f"{stream.answer_words} words of {stream.ports.out_data}: check shot_words and answer_words in the manifest, "
        "and what ends a shot"
    )


def _which_tags(
    patient: Patient, check: str, counts: str, tags: list[int], num_shots: int, taken: int, num_words: int
) -> Finding:
    expected = [shot % TAGS for shot in range(num_shots)]
    in_order = tags == expected[: len(tags)]
    if in_order and (taken < num_words or not patient.dialect.speaks_qds1):
        stalled = f", input stalled at word {taken} of {num_words}" if taken < num_words else ""
        return failed(
            check, "stops answering", f"{counts}: nothing after shot {len(tags) - 1} (tag {tags[-1]}){stalled}",
            "a state machine that does not come back, a counter that wraps, a queue that is never emptied"
            + ("" if patient.dialect.speaks_qds1 else ", or an answer that was lost while out_ready was low"),
            answered=len(tags),
        )  # fmt: skip
    numbers = _shot_numbers(tags)
    if numbers is not None and numbers[-1] < num_shots:
        missing = sorted(set(range(num_shots)) - set(numbers))
        share = len(missing) / num_shots
        return failed(
            check, "drops shots",
            f"{counts}: {len(missing)} shots ({share:.2%}, one in {1 / share:,.0f}) were never answered, "
            f"the first is shot {missing[0]}; {missing[:5]}",
            "look at the shot before the first missing one: a result overwritten before it was sent, or a full queue",
            missing=missing[:100], share=share,
        )  # fmt: skip
    repeated = len(tags) - len(set(tags))
    if num_shots <= TAGS and repeated and not set(expected) - set(tags):
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


def _shot_numbers(tags: list[int]) -> list[int] | None:
    """Shots of tags that only grow, a wrap counted; None where a tag comes twice or goes back."""
    numbers, before = [], -1
    for tag in tags:
        number = before + ((tag - before - 1) % TAGS) + 1
        if number - before > TAGS // 2:
            return None
        numbers.append(number)
        before = number
    return numbers


def fewer_in_flight(patient: Patient, shots: Shots, lost: Finding) -> Finding:
    """A decoder that loses answers, with fewer shots under way: names the number that it can bear."""
    for number in FEWER_IN_FLIGHT:
        observation, answers = patient.answer(patient.words(shots.events), len(shots), Plan(max_in_flight=number))
        if one_answer_a_shot(patient, observation, answers, len(shots)).state == "pass":
            return failed(
                lost.check, f"loses answers with more than {number} {'shot' if number == 1 else 'shots'} in flight",
                f"{lost.evidence}; with at most {number} under way all {len(shots)} are answered",
                f"hold {_input_ready(patient)} low while there is no room for an answer"
                + ("" if patient.dialect.speaks_qds1 else f", or say `in_flight: {number}` under `stream`"),
                in_flight=number, lost=lost.diagnosis,
            )  # fmt: skip
    return lost


def handshake(patient: Patient, observations: list[Observation], answers: list[Answers]) -> Finding:
    """Whether the output kept to AXI4-Stream: valid stays up, and the word holds, until it is taken."""
    check = "the output holds until it is taken"
    whose = "m_axis" if patient.dialect.speaks_qds1 else "m_axis of the adapter around the decoder"
    for observation in observations:
        times, cycle = observation.withdrawn
        if times:
            return failed(
                check, "m_axis_tvalid falls before the word is taken", f"{times} times, first in cycle {cycle}",
                "once up, m_axis_tvalid stays up until m_axis_tready is up in the same cycle",
            )  # fmt: skip
    for observation in observations:
        times, cycle = observation.changed
        if times:
            before, after = observation.changed_words
            return failed(
                check, "m_axis_tdata changes before the word is taken",
                f"{times} times, first in cycle {cycle}: 0x{before:08x} became 0x{after:08x}",
                "m_axis_tdata may only change in the cycle after m_axis_tvalid and m_axis_tready were both up",
            )  # fmt: skip
    own = _own_stream(patient, check, answers)
    if own is not None:
        return own
    cycles = sum(observation.end_cycle for observation in observations)
    also = "" if patient.dialect.speaks_qds1 else "; the adapter saw no fault of the decoder's own output"
    return passed(check, f"{cycles:,} cycles with gaps and stalls watched on {whose}{also}")


def _own_stream(patient: Patient, check: str, answers: list[Answers]) -> Finding | None:
    """What the adapter saw of a decoder's own output."""
    stream = patient.manifest.stream
    if stream is None:
        return None
    valid, ready, data = stream.ports.out_valid, stream.ports.out_ready, stream.ports.out_data
    faults = {
        AdapterStatus.WITHDRAWN: (
            f"{valid} falls before the word is taken", f"once up, {valid} stays up until {ready} is up, too",
        ),
        AdapterStatus.CHANGED: (
            f"{data} changes before the word is taken", f"{data} holds while {valid} is up and {ready} is not",
        ),
        AdapterStatus.MISPLACED_LAST: (
            f"{stream.ports.out_last} is not with an answer's last word",
            f"an answer has {stream.answer_words} words; {stream.ports.out_last} is up with the last of them alone",
        ),
        AdapterStatus.LOST: (
            "sends words that no shot asked for",
            f"{valid} is up only for the {stream.answer_words} words of an answer to a whole shot",
        ),
    }  # fmt: skip
    for bit, (diagnosis, remedy) in faults.items():
        for each in answers:
            flagged = np.flatnonzero(each.statuses() & int(bit))
            if flagged.size:
                return failed(
                    check, diagnosis, f"seen by the adapter before answer {flagged[0]} (status bit "
                    f"{int(bit).bit_length() - 1} of its answers) on its own output, {valid} and {data}", remedy,
                )  # fmt: skip
    return None


def settles_within_a_cycle(observation: Observation) -> Finding:
    """Whether the outputs come from registers of the rising edge: they follow neither ready nor the clock's level."""
    check = "the outputs are stable within a cycle"
    times, cycle = observation.follows_ready
    if times:
        return failed(
            check, "m_axis depends on m_axis_tready within a cycle",
            f"in {times} cycles, first in cycle {cycle}: m_axis_tvalid or m_axis_tdata was another with m_axis_tready "
            "low than with it high",
            "m_axis_tvalid and m_axis_tdata come from registers, or from what does not depend on m_axis_tready",
        )  # fmt: skip
    times, cycle = observation.moves_in_mid_cycle
    if times:
        return failed(
            check, "outputs change in mid-cycle",
            f"in {times} cycles, first in cycle {cycle}: an output changed after the rising edge without an input",
            "clock every register with the rising edge; nothing may depend on the clock's level",
        )  # fmt: skip
    return passed(check, f"{observation.end_cycle:,} cycles, each with m_axis_tready low and high, and in mid-cycle")


def timing_independence(patient: Patient, shots: Shots) -> list[Finding]:
    """Whether the answers are the same whatever the gaps and stalls, and how the outputs behave meanwhile."""
    words = patient.words(shots.events)
    first, undisturbed = patient.answer(words, len(shots))
    hold_cycles = max(HOLD_CYCLES, 4 * int(first.offered_cycles[0]) if len(first.offered_cycles) else 0)
    plans = {name.format(hold_cycles): plan for name, plan in PLANS.items()}
    plans[HOLD.format(hold_cycles)] = replace(PLANS[HOLD], hold_cycles=hold_cycles)
    plans["an output that is slower than the decoder"] = _slow_output(first, len(shots))
    runs = {name: patient.answer(words, len(shots), plan) for name, plan in plans.items()}
    observations = [first, *(observation for observation, _ in runs.values())]
    return [
        handshake(patient, observations, [undisturbed, *(answers for _, answers in runs.values())]),
        settles_within_a_cycle(runs["gaps and stalls"][0]),
        _valid_is_first(first, runs[HOLD.format(hold_cycles)][0], hold_cycles),
        _same_answers(patient, undisturbed, {name: answers for name, (_, answers) in runs.items()}, plans, len(shots)),
    ]


def _slow_output(undisturbed: Observation, num_shots: int) -> Plan:
    """Each answer waits some times as long as a shot takes, so that results pile up behind it."""
    words = max(1, len(undisturbed.words) // max(1, num_shots))
    cycles_a_word = 3 * undisturbed.end_cycle / max(1, num_shots) / words
    share = 1 - 1 / min(max(cycles_a_word, 4.0), 1000.0)
    return Plan(output_pause_per_mille=round(1000 * share), seed=15)


def _valid_is_first(undisturbed: Observation, held: Observation, hold_cycles: int) -> Finding:
    """Whether m_axis_tvalid goes up without m_axis_tready."""
    check = "m_axis_tvalid does not wait for m_axis_tready"
    if not len(undisturbed.offered_cycles):
        return skipped(check, "no answer came")
    due = int(undisturbed.offered_cycles[0])
    if len(held.offered_cycles) and int(held.offered_cycles[0]) < hold_cycles:
        return passed(check, f"m_axis_tready low for {hold_cycles:,} cycles: up in cycle {held.offered_cycles[0]}")
    return failed(
        check, "m_axis_tvalid waits for m_axis_tready",
        f"with m_axis_tready low for {hold_cycles:,} cycles m_axis_tvalid stayed low; else it is up in cycle {due}",
        "raise m_axis_tvalid as soon as there is a word; a receiver may wait for it before it raises m_axis_tready",
    )  # fmt: skip


def _same_answers(
    patient: Patient, undisturbed: Answers, runs: dict[str, Answers], plans: dict[str, Plan], num_shots: int
) -> Finding:
    check = GAPS_AND_STALLS
    expected = patient.contents(undisturbed)
    for name, answers in runs.items():
        found = patient.contents(answers)
        if answers.garbage or found != expected:
            output = plans[name].output_pause_per_mille or plans[name].hold_cycles
            return failed(
                check, "does not honour backpressure" if output else "does not bear gaps in the input",
                f"with {name}: {difference(expected, found, answers)}",
                "nothing may move on the output without its ready, nor on the input without valid and ready; stall "
                "the input when there is no room for an answer",
            )  # fmt: skip
    note = ""
    if not all(np.array_equal(answers.statuses(), undisturbed.statuses()) for answers in runs.values()):
        note = "; only status flags differ"
    return passed(check, f"{num_shots} shots, {len(runs)} patterns: {', '.join(runs)}{note}")


def difference(expected: list[Content], found: list[Content], answers: Answers) -> str:
    """The first answer that is another, in words."""
    if answers.garbage:
        return answers.garbage
    first = next((i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), None)
    if first is None:
        return (
            f"{len(found)} answers instead of {len(expected)}"
            if len(found) < len(expected)
            else f"{len(found) - len(expected)} answers too many"
        )
    return f"answer {first} is {in_words(found[first])} instead of {in_words(expected[first])}"


def in_words(content: Content) -> str:
    """Kind, tag and what it says; the numbers of the bits that are 1."""
    kind, tag, said = content
    if kind != Kind.CORRECTION.name:
        return f"{kind} {list(said)} (tag {tag})"
    ones = [bit for bit, value in enumerate(said) if value]
    return f"tag {tag} with {'no bit set' if not ones else f'bits {ones} set'}"


def reset_forgets(patient: Patient, shots: Shots) -> Finding:
    """Whether a reset, in mid-shot and with an answer waiting, leaves nothing behind."""
    check = "a reset leaves nothing behind"
    words = patient.words(shots.events[:3])
    _, undisturbed = patient.answer(words[1], 1)
    due = patient.contents(undisturbed)
    moments = {"in mid-shot": words[0][: words.shape[1] // 2], "with an answer waiting": words[0]}
    for moment, before in moments.items():
        patient.answer(before, 1, NEVER_READY)
        _, answers = patient.answer(words[1], 1)
        if answers.garbage or patient.contents(answers) != due:
            return failed(
                check, "a reset does not clear it",
                f"after a reset {moment}: {difference(due, patient.contents(answers), answers)}",
                f"the reset ({_reset(patient)}) must clear the shot in progress, the queues and the output's valid",
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
        contents, healthy = patient.contents(answers), patient.contents(alone)
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
