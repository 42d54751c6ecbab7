"""The decoder under examination: shots for it in its own words, and its answers taken apart."""

from dataclasses import dataclass, replace

import numpy as np
import pymatching
from numpy.typing import NDArray

from bridge.codec import Dialect
from bridge.crafting import ShotCrafter
from bridge.decoders import core_options, hash_for
from bridge.doctor.answers import Answers, take_apart
from bridge.probe import Bench, Observation, Plan
from bridge.problem import DecodingProblem
from hdl.compile.graph import BOUNDARY
from hdl.compile.manifest import DecoderFolder
from hdl.registers.map import Address
from qds1 import Kind
from qds1.shots import Bits, Words

FEW_SHOTS = 300
Content = tuple[str, int, tuple[int, ...]]
"""Of one answer: kind, tag, and what it says."""


class UnansweredError(Exception):
    """Not every shot of a run was answered once. diagnosis: the illness by name; the message is the evidence."""

    def __init__(self, diagnosis: str, evidence: str) -> None:
        super().__init__(evidence)
        self.diagnosis = diagnosis


@dataclass(frozen=True)
class Shots:
    """Shots with what is known about them: events (shots, detectors), observables and PyMatching's flips."""

    events: Bits
    observables: Bits
    reference: Bits

    def where(self, chosen: "NDArray[np.bool_] | NDArray[np.intp]") -> "Shots":
        """Some of them, by a mask or by their numbers."""
        return Shots(self.events[chosen], self.observables[chosen], self.reference[chosen])

    def first(self, count: int) -> "Shots":
        """The first ones."""
        return Shots(self.events[:count], self.observables[:count], self.reference[:count])

    def __len__(self) -> int:
        return len(self.events)


class Patient:
    """A decoder on the bench, together with the problem that it should solve.

    Attributes:
        shot_words: words of one shot.
        limit_s: wall clock of one run.
        shot_s: wall clock of one shot, as it was last seen in a long run; 0 before the first.
        in_flight: shots that it can bear under way, where it was seen to lose some; 0 for no limit.
    """

    def __init__(self, bench: Bench, decoder: DecoderFolder, problem: DecodingProblem, limit_s: float = 300.0) -> None:
        self.bench = bench
        self.decoder = decoder
        self.manifest = decoder.manifest
        self.problem = problem
        self.graph_hash = hash_for(problem.graph, core_options(decoder))
        self.dialect = Dialect(decoder, problem)
        self.crafter = ShotCrafter(problem)
        self.limit_s = limit_s
        self.shot_s = 0.0
        self.in_flight = 0
        self._matching = pymatching.Matching.from_detector_error_model(problem.error_model)
        self.shot_words = self.words(self.nothing(1)).shape[1]

    @property
    def is_windowed(self) -> bool:
        """Whether it takes memories of any length, the length in its register ROUNDS."""
        options = core_options(self.decoder)
        return bool(options and options.window)

    @property
    def tells_layers(self) -> bool:
        """Whether a shot has more than one layer of events."""
        return self.problem.layout.num_layers > 1

    def name_of(self, detector: int) -> str:
        """A detector in words: its stabilizer and layer, and its bit of a core's events."""
        layout = self.problem.layout
        place = f"stabilizer {layout.detector_bit[detector]}, layer {layout.detector_layer[detector]}"
        event = f", event {self.event_of(detector)}" if self.dialect.speaks_qds1 else ""
        return f"detector {detector} ({place}{event})"

    def event_of(self, detector: int) -> int | None:
        """Number of a detector's bit among the events that a core is given; None for one that it is not given."""
        graph = self.problem.graph
        vertex = np.flatnonzero(graph.vertex_detector == detector)
        return int(graph.vertex_position[vertex[0]]) if vertex.size else None

    def nothing(self, num_shots: int) -> Bits:
        """Shots without an event."""
        return np.zeros((num_shots, self.problem.error_model.num_detectors), dtype=np.uint8)

    def sample(self, num_shots: int, seed: int) -> Shots:
        """Shots of the error model; only detectors that carry the observable fire."""
        return self.known(*self.raw_sample(num_shots, seed))

    def raw_sample(self, num_shots: int, seed: int) -> tuple[Bits, Bits]:
        """Events and observables alone, of all detectors."""
        events, observables, _ = self.problem.error_model.compile_sampler(seed=seed).sample(num_shots)
        return events.astype(np.uint8), observables.astype(np.uint8)

    def telling(self, num_shots: int, seed: int) -> Shots:
        """Those of so many shots that have events; single errors, too, where noise is so weak that there are few."""
        shots = self.sample(num_shots, seed)
        shots = shots.where(shots.events.any(axis=1))
        if len(shots) >= FEW_SHOTS:
            return shots
        errors = self.single_errors()
        again = np.arange(FEW_SHOTS) % len(errors)
        return self.known(
            np.concatenate([shots.events, errors[again]]), np.concatenate([shots.observables, self.best(errors[again])])
        )

    def single_errors(self) -> Bits:
        """Events of each error of the graph alone, 0/1 of shape (edges, detectors)."""
        graph = self.problem.graph
        events = self.nothing(graph.num_edges)
        for index, (u, v) in enumerate(zip(graph.edge_u, graph.edge_v, strict=True)):
            events[index, graph.vertex_detector[[end for end in (u, v) if end != BOUNDARY]]] = 1
        return events

    def known(self, events: Bits, observables: Bits) -> Shots:
        """Shots of given events, without those that the decoder does not look at."""
        seen = np.zeros_like(events)
        seen[:, self.problem.graph.vertex_detector] = events[:, self.problem.graph.vertex_detector]
        return Shots(seen, observables, self.best(seen))

    def best(self, events: Bits) -> Bits:
        """PyMatching's flips, 0/1 of shape (shots, observables)."""
        return np.asarray(self._matching.decode_batch(events), dtype=np.uint8)

    def words(self, events: Bits, first_shot: int = 0) -> Words:
        """A decoder's input for shots, shape (shots, words)."""
        return self.dialect.encode(*self.crafter.outcomes(events), first_shot)

    def reset(self) -> None:
        """By rst_ni; a decoder for memories of any length is told this one's."""
        self.bench.reset()
        if self.is_windowed:
            self.bench.write_register(Address.ROUNDS, self.problem.layout.rounds)

    def answer(self, words: Words, num_answers: int, plan: Plan | None = None) -> tuple[Observation, Answers]:
        """Send words after a reset, and take the answers apart; raises LinkLostError."""
        self.reset()
        return self.go_on(words, num_answers, plan)

    def go_on(self, words: Words, num_answers: int, plan: Plan | None = None) -> tuple[Observation, Answers]:
        """The same without the reset."""
        plan = replace(plan or Plan(), shot_words=self.shot_words, limit_s=self.limit_s)
        if self.in_flight:
            plan = replace(plan, max_in_flight=min(plan.max_in_flight or self.in_flight, self.in_flight))
        observation = self.bench.run(words, num_answers, plan, self._answer_words())
        return observation, take_apart(observation, self.dialect.payload_words)

    def decode(self, events: Bits, plan: Plan | None = None) -> Bits:
        """Its flips for shots after a reset, 0/1 of shape (shots, observables); raises UnansweredError."""
        return self.flips(self.each_answered(events, self.words(events), plan))

    def each_answered(self, events: Bits, words: Words, plan: Plan | None = None) -> Answers:
        """Answers to shots after a reset; raises UnansweredError. events: what the words are, for the message."""
        _, answers = self.answer(words, len(events), plan)
        count = len(answers.messages)
        if answers.garbage:
            raise UnansweredError("answers are not qds1", answers.garbage)
        if count > len(events):
            raise UnansweredError("answers a shot twice", f"{count} answers to {len(events)} shots")
        if count < len(events):
            number = int(events[count].sum())
            raise UnansweredError(
                "stops answering",
                f"{count} of {len(events)} shots were answered; shot {count} has {number} events (detectors "
                f"{np.flatnonzero(events[count]).tolist()})",
            )
        return answers

    def flips(self, answers: Answers) -> Bits:
        """Observable flips, 0/1 of shape (answers, observables); raises LinkError where its codec cannot read them."""
        if not answers.messages:
            return np.zeros((0, self.problem.graph.num_observables), dtype=np.uint8)
        return self.dialect.flips(answers.corrections(self.dialect.correction_bits))

    def meaning(self, answers: Answers) -> Bits:
        """What the host reads of each answer, 0/1 of shape (answers, bits): no latency, no status, no ignored word."""
        if self.dialect.speaks_qds1:
            return answers.corrections(self.dialect.correction_bits)
        return self.flips(answers)

    def contents(self, answers: Answers) -> list[Content]:
        """Kind, tag and meaning of each answer: what must not depend on anything but the shot."""
        meaning = self.meaning(answers).tolist()
        return [
            (m.kind.name, m.tag, tuple(bits) if m.kind == Kind.CORRECTION else m.payload)
            for m, bits in zip(answers.messages, meaning, strict=True)
        ]

    def _answer_words(self) -> int:
        """Words of one answer with all that may come before it."""
        return (self.problem.layout.num_layers + 1) * (self.dialect.payload_words + 1)
