"""The decoder under examination: shots for it in its own words, and its answers taken apart."""

from dataclasses import dataclass

import numpy as np
import pymatching

from bridge.codec import Dialect
from bridge.crafting import ShotCrafter
from bridge.decoders import core_options, hash_for
from bridge.doctor.answers import Answers, take_apart
from bridge.probe import Bench, Observation, Plan
from bridge.problem import DecodingProblem
from hdl.compile.manifest import DecoderFolder
from qds1.shots import Bits, Words


@dataclass(frozen=True)
class Shots:
    """Shots with what is known about them: events (shots, detectors), observables and PyMatching's flips."""

    events: Bits
    observables: Bits
    reference: Bits

    def where(self, chosen: "np.typing.NDArray[np.bool_]") -> "Shots":
        """Some of them."""
        return Shots(self.events[chosen], self.observables[chosen], self.reference[chosen])

    def __len__(self) -> int:
        return len(self.events)


class Patient:
    """A decoder on the bench, together with the problem that it should solve."""

    def __init__(self, bench: Bench, decoder: DecoderFolder, problem: DecodingProblem) -> None:
        self.bench = bench
        self.manifest = decoder.manifest
        self.problem = problem
        self.graph_hash = hash_for(problem.graph, core_options(decoder))
        self.dialect = Dialect(decoder, problem)
        self.crafter = ShotCrafter(problem)
        self._matching = pymatching.Matching.from_detector_error_model(problem.error_model)

    def sample(self, num_shots: int, seed: int) -> Shots:
        """Shots of the error model; only detectors that carry the observable fire."""
        events, observables, _ = self.problem.error_model.compile_sampler(seed=seed).sample(num_shots)
        return self.known(events.astype(np.uint8), observables.astype(np.uint8))

    def known(self, events: Bits, observables: Bits) -> Shots:
        """Shots of given events, without those that the decoder does not look at."""
        seen = np.zeros_like(events)
        seen[:, self.problem.graph.vertex_detector] = events[:, self.problem.graph.vertex_detector]
        return Shots(seen, observables, np.asarray(self._matching.decode_batch(seen), dtype=np.uint8))

    def words(self, events: Bits, first_shot: int = 0) -> Words:
        """A decoder's input for shots, shape (shots, words)."""
        return self.dialect.encode(*self.crafter.outcomes(events), first_shot)

    def answer(self, words: Words, num_answers: int, plan: Plan | None = None) -> tuple[Observation, Answers]:
        """Send words after a reset, and take the answers apart."""
        self.bench.reset()
        return self.go_on(words, num_answers, plan)

    def go_on(self, words: Words, num_answers: int, plan: Plan | None = None) -> tuple[Observation, Answers]:
        """The same without the reset."""
        observation = self.bench.run(words, num_answers, plan)
        return observation, take_apart(observation, self.dialect.payload_words)

    def flips(self, answers: Answers) -> Bits:
        """Observable flips, 0/1 of shape (answers, observables)."""
        return self.dialect.flips(answers.corrections(self.dialect.correction_bits))
