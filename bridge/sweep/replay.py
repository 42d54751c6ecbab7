"""Sends one shot of a run through a decoder again, over any link, with a waveform if wanted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stim

from bridge.answers import checked_corrections
from bridge.decoders import Decoder, find_decoder
from bridge.errors import LoopError
from bridge.identity import greet_decoder
from bridge.links import make_link, trace_link, waveform_format
from bridge.links.base import Deadlines, Link, OpenedLink
from bridge.problem import DecodingProblem
from bridge.software_decoders import MatchingDecoder
from bridge.sweep.batch import BatchResult
from bridge.sweep.folder import RunFolder
from bridge.sweep.points import batch_of
from bridge.sweep.sampling import ShotSampler
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from qds1 import split_frames, words_for_bits
from qds1.shots import Words

TRACE_LINK = "verilated"


@dataclass(frozen=True)
class Replayed:
    """A shot that was sent again.

    Attributes:
        point: as described in the run; point_id, shot: which.
        words: that were sent; answer: that came back.
        events: detection events, by detector.
        observables: measured. flips: the decoder's. reference_flips: PyMatching's.
        as_before: whether the decoder was right or wrong as in the run; None when the run did not count the shot.
    """

    point: Mapping[str, Any]
    point_id: str
    shot: int
    link: str
    words: tuple[int, ...]
    answer: tuple[int, ...]
    events: tuple[int, ...]
    observables: tuple[int, ...]
    flips: tuple[int, ...]
    reference_flips: tuple[int, ...]
    latency_cycles: int | None
    as_before: bool | None
    trace_file: Path | None

    @property
    def is_wrong(self) -> bool:
        """Whether the decoder got it wrong."""
        return self.flips != self.observables


def replay_shot(
    run: RunFolder, shot: int, point_id: str | None, link: str | None, trace_folder: Path | None
) -> Replayed:
    """Replay a shot.

    Its batch is sampled again from its seed, and must be the batch that the run counted.

    Args:
        run: of `qtwin bench`.
        shot: number within its point.
        point_id: the beginning of one; None where the run has one point.
        link: to send it over; None takes the point's own.
        trace_folder: where a waveform goes; None records none.

    Raises:
        BridgeError: no such point or shot, or the link's.
    """
    point = _point(run.points(), point_id)
    memory = run.memory_by_id(str(point["memory_id"]))
    problem = memory.problem
    decoder = find_decoder(run.decoder(point), problem)
    index, within, seed = batch_of(point, shot)
    counted = [each for each in run.batches() if each.point_id == point["point_id"] and each.index == index]
    shots = ShotSampler(stim.Circuit(memory.circuit), problem).sample(seed, int(point["batch_shots"]))
    words, observables = shots.words[within], shots.observables[within]
    if counted:
        _check_archive(counted[0], within, words)
    events = np.unpackbits(shots.events[within], count=problem.error_model.num_detectors, bitorder="little")
    link_name = link or str(point["link"])
    answer, trace_file = _send(link_name, decoder, problem, words, trace_folder, f"{point['point_id']}_{shot}")
    corrections = checked_corrections(
        split_frames(answer, problem.graph.num_observables)[0], within, 1, problem.graph.num_observables
    )
    reference, _ = MatchingDecoder(problem).decode(events[None])
    flips = tuple(corrections.flips[0].tolist())
    wrong_before = within in counted[0].failing if counted else None
    return Replayed(
        point=point,
        point_id=str(point["point_id"]),
        shot=shot,
        link=link_name,
        words=tuple(words.tolist()),
        answer=tuple(answer.tolist()),
        events=tuple(np.flatnonzero(events).tolist()),
        observables=tuple(observables.tolist()),
        flips=flips,
        reference_flips=tuple(reference[0].tolist()),
        latency_cycles=None if link_name == "software" else int(corrections.latency_cycles[0]),
        as_before=None if wrong_before is None else wrong_before == (flips != tuple(observables.tolist())),
        trace_file=trace_file,
    )


def _point(points: list[dict[str, Any]], point_id: str | None) -> dict[str, Any]:
    found = [each for each in points if str(each["point_id"]).startswith(point_id or "")]
    if len(found) == 1:
        return found[0]
    listed = "\n".join(
        f"  {each['point_id']}  {each['decoder']} over {each['link']}, {each['code']} d={each['d']} {each['noise']}"
        for each in found or points
    )
    asked = f"{len(found)} points begin with {point_id!r}" if point_id else f"the run has {len(points)} points"
    raise LoopError(f"{asked}; name one with --point:\n{listed}")


def _check_archive(counted: BatchResult, within: int, words: Words) -> None:
    archived = next((each for each in counted.archive if each["shot"] == within), None)
    if archived is not None and list(archived["words"]) != words.tolist():
        raise LoopError(
            "this version of Stim, or this machine, samples other shots from the same seed than the run's; "
            "replay it with the versions that its report names"
        )


def _send(
    link_name: str, decoder: Decoder, problem: DecodingProblem, words: Words, trace_folder: Path | None, name: str
) -> tuple[Words, Path | None]:
    """The answer; with a trace folder the shot also goes through the same RTL in Verilator, which records it."""
    deadlines = Deadlines()
    if trace_folder is None:
        return _answer(make_link(link_name, decoder, problem, deadlines), decoder, problem, words), None
    if decoder.folder is None:
        raise LoopError(f"the decoder {decoder.name} is software: there is no waveform to record")
    trace_folder.mkdir(parents=True, exist_ok=True)
    trace_file = trace_folder / f"shot_{name}.{waveform_format()}"
    recorded = _answer(trace_link(decoder, deadlines, trace_file, problem), decoder, problem, words)
    if link_name == TRACE_LINK:
        return recorded, trace_file
    answer = _answer(make_link(link_name, decoder, problem, deadlines), decoder, problem, words)
    num_compared = 1 + words_for_bits(problem.graph.num_observables)  # header and flips: latencies may differ
    ours, theirs = (split_frames(each, problem.graph.num_observables)[0] for each in (answer, recorded))
    if not np.array_equal(ours[:num_compared], theirs[:num_compared]):
        raise LoopError(
            f"{link_name} answered {_hex(answer)}, the same RTL in Verilator {_hex(recorded)}; is another decoder "
            f"behind {link_name}? The waveform of Verilator's answer is {trace_file}"
        )
    return answer, trace_file


def _answer(link: Link, decoder: Decoder, problem: DecodingProblem, words: Words) -> Words:
    with OpenedLink(link) as opened:
        greet_decoder(opened.link, decoder)
        if not problem.layout.takes_raw_outcomes:
            opened.link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
        return opened.link.exchange(words, 1)


def _hex(words: Words) -> str:
    return " ".join(f"{word:08x}" for word in words.tolist())
