"""The decoders here as sinter's, for `sinter collect`.

    sinter collect --circuits memory.stim --decoders qtwin-union-find \\
        --custom_decoders_module_function bridge.sinter_decoders:decoders
"""

import os
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
from bridge.sweep.sampling import event_words
from hdl.compile.decoder import CORES
from hdl.compile.graph import decoding_graph
from hdl.compile.layout import events_layout
from hdl.errors import HdlError
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from qds1 import split_frames

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
        except HdlError as error:
            raise LinkOpenError(f"{NAME_PREFIX}{self._decoder}: {error}") from error
        return CompiledQtwinDecoder(problem, self._decoder, self._link)


class CompiledQtwinDecoder(sinter.CompiledDecoder):  # type: ignore[misc]
    """An open link to a decoder; shots go through it as EVENTS messages."""

    def __init__(self, problem: DecodingProblem, asked: str, link: str | None) -> None:
        decoder = find_decoder(asked, problem)
        self._problem = problem
        self._link = make_link(link or default_link(decoder), decoder, problem, Deadlines())
        self._link.open()
        finalize(self, self._link.abort)
        greet_decoder(self._link, decoder)
        self._link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Bits) -> Bits:
        """See `sinter.CompiledDecoder.decode_shots_bit_packed`."""
        num_shots = len(bit_packed_detection_event_data)
        if num_shots == 0:
            return np.zeros((0, -(-self._problem.graph.num_observables // 8)), dtype=np.uint8)
        words = event_words(self._problem, bit_packed_detection_event_data)
        answers = self._link.exchange(words.ravel(), num_shots)
        num_observables = self._problem.graph.num_observables
        last_words, _ = split_frames(answers, num_observables)
        corrections = checked_corrections(last_words, 0, num_shots, num_observables)
        return np.packbits(corrections.flips, axis=1, bitorder="little")
