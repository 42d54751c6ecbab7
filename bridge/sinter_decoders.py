"""The decoders here as sinter's, for `sinter collect`.

    sinter collect --circuits memory.stim --decoders qtwin-union-find \\
        --custom_decoders_module_function bridge.sinter_decoders:decoders
"""

import os
import warnings
from weakref import finalize

import numpy as np
import sinter
import stim

from bridge.answers import checked_corrections
from bridge.decoders import find_decoder
from bridge.errors import LinkOpenError
from bridge.identity import greet_decoder
from bridge.links import default_link, make_link
from bridge.links.base import Deadlines
from bridge.problem import DecodingProblem
from bridge.software_decoders import Bits
from bridge.sweep.sampling import unpacked_events
from hdl.compile.decoder import CORES
from hdl.compile.graph import decoding_graph
from hdl.compile.layout import events_layout
from hdl.compile.parity import ImpossibleShots
from hdl.errors import HdlError, NothingToDecodeError
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from qds1 import Status, encode_event_shots, split_frames
from qds1.shots import Words

NAME_PREFIX = "qtwin-"
DECODERS_VARIABLE = "QTWIN_SINTER_DECODERS"
LINK_VARIABLE = "QTWIN_SINTER_LINK"


def decoders() -> dict[str, sinter.Decoder]:
    """The decoders here by the names that sinter knows them by; give this function to `sinter collect`.

    `qtwin-table` and `qtwin-union-find` run as RTL in Verilator, `qtwin-table-model` and `qtwin-union-find-model` as
    their models in software. The environment variable QTWIN_SINTER_DECODERS adds others, separated by commas, as
    `--decoder` takes them: NAME=path/to/decoder.yaml makes `qtwin-NAME`. QTWIN_SINTER_LINK names another link.
    """
    link = os.environ.get(LINK_VARIABLE)
    found = {f"{NAME_PREFIX}{core}": QtwinDecoder(core, link) for core in CORES}
    found |= {f"{NAME_PREFIX}{core}-model": QtwinDecoder(core, "software") for core in CORES}
    for entry in filter(None, os.environ.get(DECODERS_VARIABLE, "").split(",")):
        name, _, decoder = entry.rpartition("=")
        found[f"{NAME_PREFIX}{name or decoder}"] = QtwinDecoder(decoder, link)
    return found


class QtwinDecoder(sinter.Decoder):  # type: ignore[misc]  # sinter has no types
    """A decoder of `qtwin loop --decoder`, for sinter.

    Args:
        decoder: a core, or the path of a manifest.
        link: as in --link; None takes `verilated` for RTL.
    """

    def __init__(self, decoder: str, link: str | None = None) -> None:
        self._decoder = decoder
        self._link = link

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> sinter.CompiledDecoder:
        """Build the decoder for an error model (once per content) and open its link.

        Raises:
            BridgeError: the model cannot be decoded, or the decoder cannot be opened.
        """
        try:
            layout = events_layout(dem)
            problem = DecodingProblem(dem, layout, decoding_graph(dem, layout), {})
        except NothingToDecodeError:
            return NoFlips(dem, f"{NAME_PREFIX}{self._decoder}")
        except HdlError as error:
            raise LinkOpenError(f"{NAME_PREFIX}{self._decoder}: {error}") from error
        if self._decoder.partition(":")[0] == "union-find":
            for warning in problem.graph.warnings:
                warnings.warn(f"{NAME_PREFIX}{self._decoder}: {warning}", stacklevel=2)
        return CompiledQtwinDecoder(problem, self._decoder, self._link)


def warn_of_impossible(name: str, impossible: int, num_shots: int) -> None:
    """A UserWarning where there are such shots."""
    if impossible:
        warnings.warn(
            f"{name}: {impossible} of {num_shots} shots cannot come from this error model, so their answers mean "
            "nothing; are the events of another circuit, or in another order of detectors?",
            stacklevel=3,
        )


class NoFlips(sinter.CompiledDecoder):  # type: ignore[misc]
    """Of a model in which no error that sets off a detector flips an observable: nothing is ever flipped."""

    def __init__(self, error_model: stim.DetectorErrorModel, name: str) -> None:
        self._num_detectors, self._num_observables = error_model.num_detectors, error_model.num_observables
        self._impossible_shots, self._name = ImpossibleShots(error_model), name

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Bits) -> Bits:
        """See `sinter.CompiledDecoder.decode_shots_bit_packed`; warns of shots that the model cannot produce."""
        events = unpacked_events(self._num_detectors, bit_packed_detection_event_data)
        warn_of_impossible(self._name, int(self._impossible_shots.find(events).sum()), len(events))
        return np.zeros((len(bit_packed_detection_event_data), -(-self._num_observables // 8)), dtype=np.uint8)


class CompiledQtwinDecoder(sinter.CompiledDecoder):  # type: ignore[misc]
    """An open link to a decoder; shots go through it as EVENTS messages.

    Attributes:
        num_shots: decoded so far.
        num_impossible: of them those that the error model cannot produce; their answer means nothing.
        num_unfinished: those that the decoder itself flagged as not finished within its cycle budget.
    """

    def __init__(self, problem: DecodingProblem, asked: str, link: str | None) -> None:
        decoder = find_decoder(asked, problem)
        self._name = f"{NAME_PREFIX}{asked}"
        self._problem = problem
        self._link = make_link(link or default_link(decoder), decoder, problem, Deadlines())
        self._link.open()
        finalize(self, self._link.abort)
        greet_decoder(self._link, decoder)
        self._link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
        self.num_shots = self.num_impossible = self.num_unfinished = 0

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Bits) -> Bits:
        """See `sinter.CompiledDecoder.decode_shots_bit_packed`.

        Warns (UserWarning) of shots that the error model cannot produce, and of those that the decoder did not finish.

        Raises:
            ShapeError: the data is not of this many detectors.
        """
        events = unpacked_events(self._problem.error_model.num_detectors, bit_packed_detection_event_data)
        num_shots, num_observables = len(events), self._problem.graph.num_observables
        if num_shots == 0:
            return np.zeros((0, -(-num_observables // 8)), dtype=np.uint8)
        words = encode_event_shots(self._problem.layout.events_by_layer(events.astype(bool)))
        answers = self._link.exchange(words.ravel(), num_shots)
        last_words, _ = split_frames(answers, num_observables)
        corrections = checked_corrections(last_words, 0, num_shots, num_observables)
        self._count(events, corrections.status)
        return np.packbits(corrections.flips, axis=1, bitorder="little")

    def _count(self, events: Bits, status: Words) -> None:
        impossible = int(self._problem.impossible_shots.find(events).sum())
        unfinished = int(np.count_nonzero(status & np.uint32(Status.BUDGET_EXCEEDED)))
        self.num_shots += len(events)
        self.num_impossible += impossible
        self.num_unfinished += unfinished
        warn_of_impossible(self._name, impossible, len(events))
        if unfinished and not impossible:
            warnings.warn(
                f"{self._name}: {unfinished} of {len(events)} shots were not finished within the decoder's cycle "
                "budget and are answered as they were; give it a larger one",
                stacklevel=3,
            )
