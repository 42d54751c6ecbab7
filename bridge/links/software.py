"""The `software` link: a decoder in this process, behind the same words and registers as a board."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bridge.decoders import Decoder
from bridge.errors import DecoderSilentError, LinkError, RegisterError
from bridge.links.base import LinkInfo, Words
from bridge.problem import DecodingProblem
from bridge.software_decoders import ShotDecoder, UnionFindDecoder, WindowedDecoder
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.model.decoder import CoreModel, DecoderConstants, DecoderModel, WholeShots, Windows
from hdl.model.front_end import DecoderShape
from hdl.model.weight_store import WeightStore
from hdl.registers.map import Address
from qds1 import (
    Kind,
    Status,
    encode,
    encode_corrections,
    encode_windows,
    header,
    pack_bits,
    unpack_bits,
    words_for_bits,
)
from qds1.shots import Bits

HEADER_WITHOUT_TAG = np.uint32(0x0000_FFFF)
TAG_SHIFT = np.uint32(16)


class SoftwareLink:
    """Whole shots are decoded in bulk; anything else goes through the model of the RTL, word by word."""

    def __init__(self, decoder: ShotDecoder, problem: DecodingProblem, facts: Decoder) -> None:
        """`decoder` is the software form of `facts`, whose choices the registers show."""
        self._decoder = decoder
        self._problem = problem
        self._facts = facts
        self._options = facts.options or UnionFindOptions()
        self._store: WeightStore | None = None
        self._model: DecoderModel | None = None

    def open(self) -> LinkInfo:
        """See `Link.open`."""
        self._store = self._weight_store()
        self._model = self._power_on()
        return LinkInfo(link="software", simulator=None, clocked=False)

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`."""
        model = self._opened()
        answers = self._in_bulk(words, model)
        if answers is None:
            messages = model.respond(words.tolist())
            answers, count = encode(messages), sum(message.kind != Kind.FRAME for message in messages)
        else:
            count = len(answers)
        if count < num_answers:
            raise DecoderSilentError(
                f"the decoder gave {count} of {num_answers} answers and took {words.size} of {words.size} words; "
                "each whole shot is answered once"
            )
        return answers.ravel()

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        model = self._opened()
        counted = {
            Address.COUNT_ROUNDS: model.front_end.num_rounds,
            Address.COUNT_ABANDONED: model.front_end.num_abandoned,
            Address.COUNT_FAULTS: model.front_end.num_faults,
        }
        if address in counted:
            return counted[Address(address)]
        value = model.registers.read(address)
        if value is None and address in TIMELESS:
            return TIMELESS[address]
        if value is None:
            raise RegisterError(f"register 0x{address:03x}: there is none at this address")
        return value

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        if not self._opened().registers.write(address, value):
            raise RegisterError(f"register 0x{address:03x}: nothing can be written at this address")

    def reset(self) -> None:
        """See `Link.reset`."""
        self._opened()
        self._model = self._power_on()

    def close(self) -> None:
        """See `Link.close`."""
        self._model = None

    def abort(self) -> None:
        """See `Link.abort`."""
        self.close()

    def _opened(self) -> DecoderModel:
        if self._model is None:
            raise LinkError("the link is not open; call open() first")
        return self._model

    def _power_on(self) -> DecoderModel:
        graph, layout = self._problem.graph, self._problem.layout
        shape = DecoderShape(
            num_stabilizers=layout.num_stabilizers,
            num_data_qubits=max(1, layout.num_data_qubits),
            layer_select=tuple(int(index) for index in graph.layer_select),
            data_parity=layout.data_parity
            if layout.num_data_qubits
            else np.zeros((layout.num_stabilizers, 1), np.uint8),
            open_ended=bool(self._options.window),
        )
        constants = DecoderConstants(
            shape=shape,
            num_observables=graph.num_observables,
            max_rounds=layout.rounds,
            graph_hash=self._facts.graph_hash,
            clock_hz=0,
            cycle_budget=self._options.cycle_budget,
            weight_bits=self._options.weight_bits if self._facts.options else 0,
            window=self._options.window,
            variable_rounds=bool(self._options.window),
        )
        table = np.zeros(0, dtype=np.uint32) if self._store is None else self._store.words
        model = DecoderModel(constants, self._core(), table)
        model.registers.table_written = None if self._store is None else self._store.written
        return model

    def _weight_store(self) -> WeightStore | None:
        """The weights of a loadable core; a reset keeps them."""
        decoder = self._decoder
        if isinstance(decoder, UnionFindDecoder | WindowedDecoder) and self._options.loadable:
            return WeightStore(decoder.model)
        return None

    def _core(self) -> CoreModel:
        if isinstance(self._decoder, WindowedDecoder):
            return Windows(self._decoder.stream, self._problem.graph.num_observables)
        return WholeShots(self._decode_shot)

    def _decode_shot(self, layers: NDArray[np.uint8]) -> tuple[tuple[int, ...], Status]:
        """One shot's selected layers, as the model of the RTL hands them to the core."""
        graph = self._problem.graph
        events = np.zeros((1, self._problem.error_model.num_detectors), dtype=np.uint8)
        events[0, graph.vertex_detector] = layers.ravel()[graph.vertex_position]
        flips, status = self._decoder.decode(events)
        return tuple(int(word) for word in pack_bits(flips)[0]), Status(int(status[0]))

    def _in_bulk(self, words: Words, model: DecoderModel) -> Words | None:
        """Answers to whole shots of the expected shape, None for anything else."""
        settings = model.registers.settings
        if not (model.front_end.is_idle and settings.enable and settings.rounds == self._problem.layout.rounds):
            return None
        kinds = self._shot_kinds(settings.events_mode)
        headers = np.cumsum([0, *(1 + num_words for _, num_words in kinds)])
        if words.size == 0 or words.size % headers[-1]:
            return None
        shots = words.reshape(-1, headers[-1])
        found = shots[:, headers[:-1]]
        expected = np.array([header(kind, num_words, 0) for kind, num_words in kinds], dtype=np.uint32)
        tags = found >> TAG_SHIFT
        if ((found & HEADER_WITHOUT_TAG) != expected).any() or (tags != tags[:, :1]).any():
            return None
        answers = self._answers(self._events(shots, headers, settings.events_mode))
        model.registers.num_shots += len(shots)
        model.front_end.num_rounds += len(shots) * self._problem.layout.rounds
        answers[..., 0] = (answers[..., 0] & HEADER_WITHOUT_TAG) | tags[:, :1] << TAG_SHIFT
        return answers

    def _answers(self, events: Bits) -> Words:
        """Answers to whole shots, with tags to be set: uint32, shape (shots, messages, words)."""
        if not isinstance(self._decoder, WindowedDecoder):
            flips, status = self._decoder.decode(events)
            return encode_corrections(flips, status=status)[:, None]
        flips, status = self._decoder.decode_windows(events)
        rounds = np.uint32(self._decoder.commit_layers) * np.arange(1, flips.shape[1], dtype=np.uint32)
        return encode_windows(flips, rounds, status)

    def _shot_kinds(self, events_mode: bool) -> list[tuple[Kind, int]]:
        """Kind and payload words of each message of a shot."""
        layout = self._problem.layout
        layer_words = words_for_bits(layout.num_stabilizers)
        if events_mode:
            return [*[(Kind.EVENTS, layer_words)] * layout.rounds, (Kind.EVENTS_LAST, layer_words)]
        return [
            *[(Kind.SYNDROME, layer_words)] * layout.rounds,
            (Kind.MEAS_DATA, words_for_bits(max(1, layout.num_data_qubits))),
        ]

    def _events(self, shots: Words, headers: NDArray[np.int64], events_mode: bool) -> Bits:
        """Detection events of whole shots, in the detector numbering of the error model."""
        layout = self._problem.layout
        layers = np.stack(
            [unpack_bits(shots[:, start + 1 : end], layout.num_stabilizers) for start, end in pairwise(headers[:-1])]
            or [np.zeros((len(shots), layout.num_stabilizers), dtype=np.uint8)],
            axis=1,
        )[:, : layout.rounds]  # a shot of one layer has no round before it
        last = shots[:, headers[-2] + 1 :]
        if not events_mode:
            return layout.detection_events(layers, unpack_bits(last, layout.num_data_qubits))
        layers = np.concatenate([layers, unpack_bits(last, layout.num_stabilizers)[:, None]], axis=1)
        return np.ascontiguousarray(layers[:, layout.detector_layer, layout.detector_bit])


TIMELESS: Mapping[int, int] = MappingProxyType(
    {
        int(address): 0
        for address in (
            Address.STATUS,
            Address.COUNT_STALLS,
            Address.COUNT_BUDGET_EXCEEDED,
            Address.LATENCY_MIN,
            Address.LATENCY_MAX,
            Address.LATENCY_SUM_LOW,
            Address.LATENCY_SUM_HIGH,
        )
    }
)
"""What depends on time, in a decoder without any."""
