"""Decoders for memories of any length, and weights that change at run time: RTL and software answer alike."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import stim

from bridge.decoder_names import decoder_options
from bridge.decoders import Decoder, find_decoder
from bridge.errors import DecoderMismatchError, LinkError, LinkOpenError
from bridge.links import make_link
from bridge.links.base import Deadlines, Link
from bridge.problem import DecodingProblem
from bridge.reweight import weights_for, write_weights
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.errors import ErrorModelError
from hdl.model.unionfind import UnionFindModel
from hdl.registers.map import Address
from qds1 import Kind, Status, decode_corrections, encode_event_shots, parse, split_frames
from qds1.shots import Words
from tests.bridge.surface import circuit, event_words, statuses_without_stalls, surface_problem, take_events

ROUNDS = 12
NAME = "union-find:window=6,commit=3,loadable"


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return find_decoder(NAME, surface_problem(ROUNDS))


@pytest.fixture(scope="module")
def links(decoder: Decoder) -> Iterator[dict[str, Link]]:
    made = {name: make_link(name, decoder, decoder.problem, Deadlines()) for name in ("verilated", "software")}
    for link in made.values():
        link.open()
    yield made
    for link in made.values():
        link.close()


@pytest.fixture
def both(links: dict[str, Link]) -> dict[str, Link]:
    """RTL and software, reset, expecting detection events."""
    for link in links.values():
        link.reset()
        take_events(link)
    return links


def reweight(link: Link, decoder: Decoder, problem: DecodingProblem) -> None:
    assert decoder.folder is not None
    write_weights(link, weights_for(decoder.folder, problem.graph))


def answers_of_both(both: dict[str, Link], words: Words, num_answers: int) -> Words:
    """The answers, which are the same from both."""
    ours, theirs = (statuses_without_stalls(link.exchange(words.ravel(), num_answers)) for link in both.values())
    np.testing.assert_array_equal(ours, theirs)
    return ours


def test_every_window_is_answered_with_its_pauli_frame(both: dict[str, Link]) -> None:
    words = event_words(ROUNDS, 300, seed=1)
    corrections, frames = split_frames(answers_of_both(both, words, 300).ravel(), 1)
    assert frames.rounds.reshape(300, -1).tolist() == [[3, 6, 9]] * 300
    assert frames.tags.tolist() == np.repeat(np.arange(300), 3).tolist()
    answers = decode_corrections(corrections, 1)
    assert answers.tags.tolist() == list(range(300))
    # the frame is the flips so far: it differs from the correction only where the last window flipped it
    assert 0 < np.count_nonzero(frames.flips[2::3] != answers.flips) < 100


def test_the_correction_is_that_of_the_model_of_the_core(both: dict[str, Link], decoder: Decoder) -> None:
    graph = decoder.problem.graph
    words = event_words(ROUNDS, 300, seed=2)
    corrections, _ = split_frames(both["verilated"].exchange(words.ravel(), 300), 1)
    events = words.reshape(300, ROUNDS + 1, 2)[:, :, 1]
    layers = (events[:, :, None] >> graph.layer_select.astype(np.uint32) & 1).astype(np.uint8)
    expected = UnionFindModel(graph, UnionFindOptions(window=6, commit=3)).decode_stream(layers)
    np.testing.assert_array_equal(decode_corrections(corrections, 1).flips, expected.flips[:, -1])


def test_memories_of_any_length_pass_through_one_decoder(both: dict[str, Link]) -> None:
    for link in both.values():
        link.write_register(Address.ROUNDS, 0)
    lengths = (1, 4, 5, 6, 30, 12, 2)
    words = np.concatenate([event_words(n, 1, seed=n, first_shot=i).ravel() for i, n in enumerate(lengths)])
    messages = parse(answers_of_both(both, words, len(lengths)).ravel())
    frames = [message.tag for message in messages if message.kind == Kind.FRAME]
    windows = [max(0, -(-(n + 1 - 6) // 3)) for n in lengths]
    assert frames == np.repeat(np.arange(len(lengths)), windows).tolist()


@pytest.mark.parametrize("rounds", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_very_long_memory_is_one_shot(both: dict[str, Link], decoder: Decoder, rounds: int) -> None:
    graph, link = decoder.problem.graph, both["verilated"]
    layers = (np.random.default_rng(4).random((1, rounds + 1, 4)) < 0.02).astype(np.uint8)
    events = np.zeros((1, rounds + 1, decoder.problem.layout.num_stabilizers), dtype=np.uint8)
    events[:, :, graph.layer_select] = layers
    link.write_register(Address.ROUNDS, 0)
    corrections, frames = split_frames(link.exchange(encode_event_shots(events).ravel(), 1), 1)
    expected = UnionFindModel(graph, UnionFindOptions(window=6, commit=3)).decode_stream(layers).flips[0]
    assert frames.rounds.tolist() == list(range(3, rounds - 2, 3))
    np.testing.assert_array_equal(frames.flips, expected[:-1])
    answer = decode_corrections(corrections, 1)
    assert answer.flips.tolist() == [expected[-1].tolist()]
    assert answer.status[0] & Status.STALLED  # words come faster than windows are decoded


def test_an_abandoned_memory_gets_no_correction(both: dict[str, Link]) -> None:
    begun, whole = event_words(ROUNDS, 1, seed=3)[0], event_words(ROUNDS, 1, seed=4, first_shot=1)[0]
    for link in both.values():
        link.exchange(begun[: 2 * 10], 0)
        for _ in range(50):  # the clock runs on while registers are read
            link.read_register(Address.SCRATCH)
        corrections, _ = split_frames(link.exchange(whole, 1), 1)
        assert decode_corrections(corrections, 1).tags.tolist() == [1]
        assert link.read_register(Address.COUNT_ABANDONED) == 1


def test_a_decoder_serves_sessions_of_other_lengths(decoder: Decoder) -> None:
    assert decoder.folder is not None
    other = find_decoder(str(decoder.folder.path), surface_problem(30))
    assert other.graph_hash == decoder.graph_hash
    whole = find_decoder("union-find:3", surface_problem(ROUNDS))
    assert whole.folder is not None
    with pytest.raises(DecoderMismatchError, match="rounds 12, not 30"):
        find_decoder(str(whole.folder.path), surface_problem(30))


def test_changed_weights_decode_as_a_decoder_compiled_for_them(both: dict[str, Link], decoder: Decoder) -> None:
    changed = surface_problem(ROUNDS, gate=0.001, measure=0.03)
    compiled = find_decoder(NAME, changed)
    expected_link = make_link("software", compiled, changed, Deadlines())
    expected_link.open()
    words = event_words(ROUNDS, 2000, seed=5)
    before = answers_of_both(both, words, 2000)
    for link in both.values():
        reweight(link, decoder, changed)
    expected = statuses_without_stalls(take_events(expected_link).exchange(words.ravel(), 2000))
    for link in both.values():
        np.testing.assert_array_equal(statuses_without_stalls(link.exchange(words.ravel(), 2000)), expected)
        link.reset()  # keeps them
        take_events(link)
        np.testing.assert_array_equal(statuses_without_stalls(link.exchange(words.ravel(), 2000)), expected)
        reweight(link, decoder, decoder.problem)
        np.testing.assert_array_equal(statuses_without_stalls(link.exchange(words.ravel(), 2000)), before)
    assert (before != expected).any()


def test_reweighting_is_refused_where_it_cannot_be_right(decoder: Decoder) -> None:
    first, last = decoder.problem.graph.vertex_detector[[0, -1]]
    model = decoder.problem.error_model.flattened() + stim.DetectorErrorModel(f"error(0.01) D{first} D{last}")
    whole = find_decoder("union-find:loadable,window=0", surface_problem(ROUNDS))
    assert whole.folder is not None
    with pytest.raises(LinkError, match="only probabilities may change"):
        weights_for(whole.folder, decoding_graph(model, decoder.problem.layout))
    assert decoder.folder is not None
    with pytest.raises(LinkError, match="only probabilities may change"):
        weights_for(decoder.folder, surface_graph_without_hooks())


def surface_graph_without_hooks() -> DecodingGraph:
    """The same code without errors of its gates, whose diagonal edges are then missing."""
    model = circuit(ROUNDS, 0.0, 0.004)
    model = model.without_noise()
    noisy = stim.Circuit()
    for instruction in model.flattened():
        if instruction.name in ("M", "MR"):
            noisy.append("X_ERROR", instruction.targets_copy(), 0.01)
        noisy.append(instruction)
    errors = noisy.detector_error_model(decompose_errors=True)
    return decoding_graph(errors, events_layout(errors))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("union-find", UnionFindOptions()),
        ("union-find:3", UnionFindOptions(3)),
        (
            "union-find:bits=2,window=8,commit=2,budget=90,fifo=16,loadable",
            UnionFindOptions(2, loadable=True, window=8, commit=2, cycle_budget=90, fifo_layers=16),
        ),
    ],
)
def test_choices_are_read_from_the_name(name: str, expected: UnionFindOptions) -> None:
    assert decoder_options(name, surface_problem(ROUNDS)) == expected


def test_long_memories_get_windows_of_twice_the_distance() -> None:
    problem = surface_problem(30)
    assert decoder_options("union-find", problem) == UnionFindOptions(window=6, commit=3)
    assert decoder_options("union-find:window=0", problem) == UnionFindOptions()
    user = replace(problem, code={})
    assert decoder_options("union-find", user) == UnionFindOptions()


@pytest.mark.parametrize("name", ["table:3", "union-find:speed=9", "union-find:bits", "union-find:loadable=1"])
def test_unknown_choices_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(LinkOpenError, match="bits=N"):
        find_decoder(name, surface_problem(ROUNDS))


def test_choices_that_do_not_fit_one_another_are_refused() -> None:
    with pytest.raises(LinkOpenError, match="give a window"):
        find_decoder("union-find:commit=3", surface_problem(ROUNDS))
    with pytest.raises((LinkOpenError, ErrorModelError), match="cannot commit 6"):
        find_decoder("union-find:window=6,commit=6", surface_problem(ROUNDS))
