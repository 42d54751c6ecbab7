"""The examination: `examine` is the order of the checks on one screen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from bridge.decoders import compiled_graph
from bridge.doctor.accuracy_checks import (
    annihilates_the_syndrome,
    answers_vary,
    good_enough,
    helps,
    stand,
)
from bridge.doctor.crowd_checks import crowded, many_events
from bridge.doctor.explanation import explain_constant, right_way_round
from bridge.doctor.findings import Diagnosis, Finding, failed, passed, skipped
from bridge.doctor.heed_checks import SingleErrors, heeds, knows_errors, single_errors, try_single_errors
from bridge.doctor.lint_checks import about_loops, own_warnings
from bridge.doctor.memory_checks import OWN_SHOT_ALONE, goes_on, long_run, own_shot_alone
from bridge.doctor.modest import Company
from bridge.doctor.own_stream import other_polarity, valid_comes_first
from bridge.doctor.patient import Patient, Shots, UnansweredError
from bridge.doctor.pause_checks import pauses_change_nothing, quiet_shots_change_nothing, reads_change_nothing
from bridge.doctor.power_on_checks import initial_values, no_unknown_values
from bridge.doctor.stream_checks import (
    GAPS_AND_STALLS,
    STALL_SHOTS,
    TAGS,
    faults_are_survived,
    fewer_in_flight,
    one_answer_a_shot,
    reset_forgets,
    timing_independence,
)
from bridge.doctor.timing_checks import Run, backlog_runs, keeps_the_deadline, latency_is_true, paced_run
from bridge.errors import LinkError, LinkLostError, LinkOpenError, RegisterError
from bridge.probe import CALL_LIMIT_S, NO_RETURN, Bench
from bridge.problem import DecodingProblem
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from hdl.registers.map import ID_VALUE, VERSION_MAJOR, VERSION_MAJOR_VALUE, Address

OF_ANSWERS_THAT_VARY = (
    "corrections annihilate the syndrome",
    "bits, rounds and answers in the right order",
    "single errors are decoded",
    "every detector is heeded",
    "every error is known",
    "decodes many events as well as few",
    "as good as modest decoders are",
)
MOST_ACCURACY_SHOTS = 65_536
MAX_LOSSES = 3
"""Checks in which the simulation ended, before the examination does."""
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Examination:
    """How thoroughly. deadline_ns: for one answer; None for the time that the device takes for a shot.

    shots: of the long run; a decoder that drops one shot in a thousand at random passes 8,192 with a chance of 3e-4.
    endurance_shots: of the longest run, which is shorter where its simulation would take more than endurance_s.
    accuracy_s: wall clock for the shots of which the logical errors are counted; at least `shots`.
    run_limit_s, call_limit_s: wall clock of one run, and of anything else that the simulation is asked.
    """

    shots: int = 8192
    order_shots: int = 2000
    paced_shots: int = 4096
    endurance_shots: int = TAGS + 1024
    endurance_s: float = 20.0
    accuracy_s: float = 5.0
    seed: int = 1
    deadline_ns: float | None = None
    run_limit_s: float = 300.0
    call_limit_s: float = CALL_LIMIT_S


@dataclass(frozen=True)
class LongerMemory:
    """The same decoder for a longer memory, and that memory's problem."""

    decoder: DecoderFolder
    problem: DecodingProblem


def examine(
    decoder: DecoderFolder,
    problem: DecodingProblem,
    session: Mapping[str, Any],
    settings: Examination,
    *,
    longer: LongerMemory | None = None,
    progress: Progress = lambda _: None,
) -> Diagnosis:
    """Look at everything that can be wrong with a decoder.

    The RTL runs in a process of its own: RTL that aborts, crashes or never comes back is a finding.

    Args:
        decoder: manifest and RTL.
        problem: what it should solve; its error model gives the shots.
        session: the memory as a twin describes it (`round_time_ns`, `stabilizers`).
        settings: how thoroughly.
        longer: for a decoder that takes memories of several lengths.
        progress: told what is looked at.

    Raises:
        LinkOpenError: the RTL does not build.
    """
    chart = _Chart(decoder, progress)
    try:
        progress("builds and starts")
        bench = Bench(decoder, settings.call_limit_s)
    except LinkLostError as error:
        chart.lost("starts", str(error))
        return chart.diagnosis()
    with bench:
        chart.bench = bench
        patient = Patient(bench, decoder, problem, settings.run_limit_s)
        chart.see("tells who it is", lambda: identity(patient))
        chart.see("warnings of its own RTL", lambda: own_warnings(decoder))
        _look_at(chart, patient, session, settings)
        _look_further(chart, longer, settings)
    return chart.diagnosis()


def _look_at(chart: "_Chart", patient: Patient, session: Mapping[str, Any], settings: Examination) -> None:
    """Everything about one memory."""
    shots = patient.sample(settings.shots, settings.seed)
    telling = patient.telling(8 * settings.order_shots, settings.seed + 1)
    first = chart.run_all("one answer a shot", patient, shots)
    if first is None or not first.answers.messages or first.answers.garbage:
        return chart.stop()
    chart.see("stream", lambda: timing_independence(patient, telling.first(STALL_SHOTS)))
    chart.see("the decoder's own valid", lambda: [each for each in [valid_comes_first(patient, telling)] if each])
    if not chart.failed(GAPS_AND_STALLS):
        chart.see("pauses", lambda: pauses_change_nothing(patient, telling))
    chart.see("quiet shots", lambda: quiet_shots_change_nothing(patient, telling))
    chart.see("registers are read", lambda: reads_change_nothing(patient, telling))
    chart.see("a reset leaves nothing behind", lambda: reset_forgets(patient, telling))
    chart.see("recovers after a fault", lambda: faults_are_survived(patient, telling))
    of_all_sorts = crowded(patient, settings.seed)
    chart.see(
        "initial values do not matter",
        lambda: initial_values(patient, of_all_sorts, settings.endurance_shots, settings.endurance_s / 2),
    )
    chart.see("no X in the output", lambda: no_unknown_values(patient, of_all_sorts))
    if first.num_shots < len(shots) or chart.ended:
        return chart.stop()
    _look_at_memory_and_clock(chart, patient, shots, telling, first, session, settings)
    _look_at_corrections(chart, patient, shots, telling, of_all_sorts, first, session, settings)
    return None


def _look_at_memory_and_clock(
    chart: "_Chart", patient: Patient, shots: Shots, telling: Shots, first: Run, session: Mapping[str, Any],
    settings: Examination,
) -> None:  # fmt: skip
    """What depends on the number of shots, on their order and on time."""
    runs = {"without a pause": first}

    def endurance() -> list[Finding]:
        affordable = int(settings.endurance_s / max(patient.shot_s, 1e-7))
        run = long_run(patient, shots, min(settings.endurance_shots, max(2 * len(shots), affordable)), settings.seed)
        judged = one_answer_a_shot(patient, run.observation, run.answers, len(run.order))
        found = [goes_on(run, judged)]
        if judged.state == "pass":
            runs[f"{len(run.order):,} without a reset"] = Run(run.observation, run.answers, patient.shot_words)
            found.append(own_shot_alone(patient, shots, patient.meaning(first.answers), run))
        return found

    def clock() -> list[Finding]:
        alone = paced_run(patient, telling, settings.paced_shots)
        runs["one by one"] = alone
        runs.update(backlog_runs(patient, telling.first(settings.order_shots)))
        busy = list(runs.values())[1] if len(runs) > 5 else first
        return [
            latency_is_true(runs),
            keeps_the_deadline(patient, alone, busy, float(session["round_time_ns"]), settings.deadline_ns),
        ]

    chart.see("goes on however many shots", endurance)
    chart.see("the clock", clock)


def _look_at_corrections(
    chart: "_Chart", patient: Patient, shots: Shots, telling: Shots, of_all_sorts: Shots, first: Run,
    session: Mapping[str, Any], settings: Examination,
) -> None:  # fmt: skip
    """Whether what it answers makes sense."""
    some = telling.first(settings.order_shots)

    def corrections() -> list[Finding]:
        flips = patient.flips(first.answers)
        bits = first.answers.corrections(patient.dialect.correction_bits)
        vary = answers_vary(flips, shots.reference)
        if vary.state == "fail" and (flips == flips[0]).all():
            chart.num_decisions += 2
            order = explain_constant(patient, some, session)
            follows = annihilates_the_syndrome(patient, bits, shots) if (bits != bits[0]).any() else None
            return _about_a_constant(vary, order, follows, helps(flips, shots))
        singles, heeded = try_single_errors(patient), heeds(patient, settings.seed)
        company = _company(patient, singles)
        remembers = chart.failed(OWN_SHOT_ALONE)
        chart.num_decisions += 6 + flips.shape[1]
        order = right_way_round(patient, some, telling, session, singles, heeded, remembers)
        helped = helps(flips, shots)
        explained = remembers or any(each.state == "fail" for each in (vary, order, heeded.finding))
        explained = explained or (helped.diagnosis.startswith("observable") and flips.shape[1] > 1)
        many = many_events(
            patient, of_all_sorts, company, singles.wrong, remembers, heeded.sees_layers, explained
        )  # fmt: skip
        explained = explained or many.state == "fail"
        why_not = "what is wrong with it is told elsewhere" if explained else None
        if not heeded.sees_layers:
            why_not = "it knows the final syndrome alone"
        affordable = min(MOST_ACCURACY_SHOTS, int(settings.accuracy_s / max(patient.shot_s, 1e-7)))
        fresh = patient.sample(max(len(shots), affordable), settings.seed + 7)
        standing = stand(
            patient, patient.decode(fresh.events), fresh, company, singles.wrong, heeded.sees_layers
        )  # fmt: skip
        known, unknown = knows_errors(patient, company, standing.is_last, why_not, settings.seed)
        return [
            vary,
            annihilates_the_syndrome(patient, bits, shots),
            order,
            single_errors(
                patient, singles, company, unknown, standing.is_last, explained or not heeded.sees_layers
            ),
            heeded.finding,
            heeded.layers,
            known,
            many,
            helped,
            good_enough(standing),
        ]  # fmt: skip

    chart.see("corrections", corrections)


def _company(patient: Patient, singles: SingleErrors) -> Company:
    """Modest decoders of the problem, also with the weights that the decoder was made with."""
    graph = patient.problem.graph
    try:
        own = compiled_graph(patient.decoder, patient.problem)
    except HdlError:  # its model is not one of this problem
        return Company(graph, singles.reference)
    is_other = own.num_edges != graph.num_edges or not np.allclose(own.edge_probability, graph.edge_probability)
    return Company(graph, singles.reference, own if is_other else None)


def _about_a_constant(vary: Finding, order: Finding, follows: Finding | None, helped: Finding) -> list[Finding]:
    """What can be said of flips that are all the same: that an order of the input makes them so, or nothing more.

    follows: whether the corrections follow the syndrome, where these are not all the same.
    """
    if order.state == "fail":
        why, found = "not judged: all answers are the same, and the order of the input explains it", [order]
    else:
        why, found = "not judged: all answers are the same", [vary, helped]
    if follows is not None:
        found.append(follows)
    done = {finding.check for finding in found}
    return [*found, *(skipped(check, why) for check in (vary.check, *OF_ANSWERS_THAT_VARY) if check not in done)]


def _look_further(chart: "_Chart", longer: LongerMemory | None, settings: Examination) -> None:
    """The same decoder for a longer memory."""
    check = "decodes a longer memory"
    if longer is None:
        chart.note(skipped(check, "not judged: it takes memories of one length"))
        return
    rounds = longer.problem.layout.rounds

    def look() -> Finding:
        same = longer.decoder.design == chart.decoder.design and chart.bench is not None
        try:
            bench = chart.bench if same and chart.bench is not None else Bench(longer.decoder, settings.call_limit_s)
        except LinkOpenError as error:
            return failed(
                check, f"does not build for {rounds} rounds", str(error),
                "correct the formulas in decoder.yaml, or give `rounds` the one number that the RTL is made for",
            )  # fmt: skip
        try:
            patient = Patient(bench, longer.decoder, longer.problem, settings.run_limit_s)
            shots = patient.sample(settings.shots, settings.seed + 3)
            observation, answers = patient.answer(patient.words(shots.events), len(shots))
            answered = one_answer_a_shot(patient, observation, answers, len(shots))
            if answered.state != "pass":
                return _renamed(answered, check, f"of {rounds} rounds")
            flips = patient.flips(answers)
            chart.num_decisions += 2
            heeded, singles = heeds(patient, settings.seed), try_single_errors(patient)
            company = _company(patient, singles)
            judged = good_enough(stand(patient, flips, shots, company, singles.wrong, heeded.sees_layers))
            for finding in (helps(flips, shots), heeded.finding, judged):
                if finding.state != "pass":
                    return _renamed(finding, check, f"of {rounds} rounds")
            return passed(check, f"{rounds} rounds: {judged.evidence}", rounds=rounds)
        finally:
            if bench is not chart.bench:
                bench.__exit__(None, None, None)

    chart.see(check, look)


def _renamed(finding: Finding, check: str, memory: str) -> Finding:
    diagnosis = finding.diagnosis and f"wrong only for a longer memory: {finding.diagnosis}"
    return Finding(check, finding.state, f"{memory}: {finding.evidence}", diagnosis, finding.remedy, finding.data)


def identity(patient: Patient) -> Finding:
    """Whether the registers say what the bridge asks for before a run."""
    check = "tells who it is"
    asked = patient.graph_hash
    try:
        found = {name: patient.bench.read_register(Address[name]) for name in ("ID", "VERSION", "GRAPH_HASH")}
    except RegisterError as error:
        return failed(
            check, "registers do not answer", str(error),
            "an AXI4-Lite read of ID (0x000), VERSION (0x004) and GRAPH_HASH (0x008)",
        )  # fmt: skip
    for name, expected in (("ID", ID_VALUE), ("GRAPH_HASH", asked)):
        if found[name] != expected:
            return failed(
                check, f"wrong {name}", f"it reads 0x{found[name]:08x}, expected 0x{expected:08x}",
                "the loop refuses such a decoder; give the register this value, or name the memory it was made for",
            )  # fmt: skip
    if VERSION_MAJOR.get(found["VERSION"]) != VERSION_MAJOR_VALUE:
        return failed(
            check, "wrong VERSION",
            f"it reads 0x{found['VERSION']:08x}, version {VERSION_MAJOR.get(found['VERSION'])} of the protocol, "
            f"expected {VERSION_MAJOR_VALUE}",
            "the loop refuses such a decoder; compile it again with this qtwin",
        )  # fmt: skip
    return passed(check, f"ID, VERSION 0x{found['VERSION']:08x}, GRAPH_HASH 0x{asked:08x}")


@dataclass
class _Chart:
    """Findings as they come.

    Attributes:
        bench: that the decoder is on.
        num_decisions: statistical ones.
        ended: the simulation ended too often.
    """

    decoder: DecoderFolder
    progress: Progress
    bench: Bench | None = None
    findings: list[Finding] = field(default_factory=list)
    num_decisions: int = 0
    losses: int = 0
    ended: bool = False

    def see(self, check: str, look: Callable[[], Finding | list[Finding]]) -> None:
        """Look, and keep what is found; a simulation that ends, or an answer that cannot be read, is a finding."""
        if self.ended:
            return
        self.progress(check)
        try:
            found = look()
        except LinkLostError as error:
            self.lost(check, str(error))
        except UnansweredError as error:
            self.note(failed(check, error.diagnosis, str(error), "the shots before were answered: look at this one"))
        except LinkError as error:
            self.note(
                failed(
                    check, "answers that the codec cannot read", str(error),
                    "the codec reads answer_words words of each answer, whatever they are; look at its decode",
                )
            )  # fmt: skip
        else:
            for finding in found if isinstance(found, list) else [found]:
                self.note(finding)

    def run_all(self, check: str, patient: Patient, shots: Shots) -> Run | None:
        """The long run; None where its simulation ended. A decoder that loses answers is tried with fewer at once."""
        runs: list[Run] = []

        def look() -> Finding:
            words, began = patient.words(shots.events), monotonic()
            observation, answers = patient.answer(words, len(shots))
            patient.shot_s = (monotonic() - began) / len(shots)
            runs.append(Run(observation, answers, patient.shot_words))
            found = one_answer_a_shot(patient, observation, answers, len(shots))
            if found.state == "fail" and answers.garbage is None:
                return self._looked_into(patient, shots, found, bool(answers.messages))
            return found

        self.see(check, look)
        return runs[0] if runs else None

    def _looked_into(self, patient: Patient, shots: Shots, found: Finding, answers: bool) -> Finding:
        """What else can be said of a decoder that loses answers, or gives none."""
        if not answers:
            return other_polarity(patient, shots, found)
        found = fewer_in_flight(patient, shots, found)
        patient.in_flight = int(found.data.get("in_flight", 0))
        return found

    def failed(self, check: str) -> bool:
        """Whether a check was done, and found an illness."""
        return any(finding.check == check and finding.state == "fail" for finding in self.findings)

    def note(self, finding: Finding) -> None:
        """Keep a finding."""
        self.findings.append(finding)

    def lost(self, check: str, what: str) -> None:
        """The simulation ended: a finding, and the decoder is powered on again."""
        self.losses += 1
        self.note(_end_of_simulation(self.decoder, check, what))
        self.ended = self.losses >= MAX_LOSSES or self.bench is None
        if self.bench is None or self.ended:
            return
        try:
            self.bench.power_on()
        except LinkLostError:
            self.ended = True

    def stop(self) -> None:
        """Nothing more can be told."""
        self.note(skipped("corrections and timing", "judged when each shot is answered"))

    def diagnosis(self) -> Diagnosis:
        """All of it."""
        return Diagnosis(self.decoder.manifest.name, tuple(self.findings), self.num_decisions)


def _end_of_simulation(decoder: DecoderFolder, check: str, what: str) -> Finding:
    if "converge" in what.lower():
        return failed(
            check, "combinational loop", f"{what.splitlines()[0]}{about_loops(decoder)}",
            "break the circle with a register; in always_comb give every signal a value before it is read",
        )  # fmt: skip
    if what.startswith(NO_RETURN):
        return failed(
            check, "the simulation does not come back", f"{what}{about_loops(decoder)}",
            "look for a loop in the RTL that never ends (while, for, repeat), or a combinational circle",
        )  # fmt: skip
    return failed(
        check, "the simulation ends", what,
        "the RTL stopped it ($fatal, $stop, an assertion, a file that is missing), or crashed it (C by DPI)",
    )  # fmt: skip


__all__ = ["Examination", "LongerMemory", "examine"]
