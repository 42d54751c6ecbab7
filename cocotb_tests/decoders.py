"""The decoders that the tests run: constants for the models, and the generated sources for the simulators."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdl.compile.table_core import core_source
from hdl.model.decoder import DecoderConstants, DecoderModel, WholeShots, table_decoder
from hdl.model.front_end import DecoderShape

FIXTURES = Path(__file__).resolve().parent / "fixtures"


@dataclass(frozen=True)
class TestDecoder:
    """A table decoder: what decoder_pkg says, and the memory's contents, uint32 of shape (observables, words)."""

    __test__ = False  # not a test, whatever its name begins with

    constants: DecoderConstants
    num_layers: int
    planes: NDArray[np.uint32]

    def model(self) -> DecoderModel:
        """A model with a memory of its own."""
        planes = self.planes.copy()
        return DecoderModel(self.constants, WholeShots(table_decoder(planes)), planes.reshape(-1))

    def write(self, folder: Path) -> None:
        """Write decoder_pkg.sv and decoder_core.sv."""
        shape = self.constants.shape
        width = len(shape.layer_select)
        select = sum(index << 16 * bit for bit, index in enumerate(shape.layer_select))
        parity = sum(int(bit) << position for position, bit in enumerate(shape.data_parity.ravel()))
        scalars = {
            "NumStabilizers": shape.num_stabilizers,
            "NumDataQubits": shape.num_data_qubits,
            "NumObservables": self.constants.num_observables,
            "NumLayers": self.num_layers,
            "LayerWidth": width,
            "CycleBudget": self.constants.cycle_budget,
            "WeightBits": self.constants.weight_bits,
            "Window": self.constants.window,
            "ClockHz": self.constants.clock_hz,
        }
        lines = [f"  localparam int {name} = {value};" for name, value in scalars.items()]
        lines += [
            f"  localparam bit VariableRounds = 1'b{int(self.constants.variable_rounds)};",
            f"  localparam bit Statistics = 1'b{int(self.constants.statistics)};",
            f"  localparam logic [31:0] GraphHash = 32'h{self.constants.graph_hash:x};",
            f"  localparam logic [{16 * width - 1}:0] LayerSelect = {16 * width}'h{select:x};",
            f"  localparam logic [{shape.data_parity.size - 1}:0] DataParity = {shape.data_parity.size}'h{parity:x};",
        ]
        (folder / "decoder_pkg.sv").write_text("\n".join(["package decoder_pkg;", *lines, "endpackage", ""]))
        (folder / "decoder_core.sv").write_text(core_source(self.planes, width * self.num_layers))


def repetition_d3() -> TestDecoder:
    """The hand-made example: repetition code of distance 3, 3 rounds; its memory is read from its source."""
    source = (FIXTURES / "repetition_d3" / "decoder_core.sv").read_text()
    words = [int(word, 16) for word in re.findall(r"plane_0\[\d+\] = 32'h([0-9a-f]+);", source)]
    shape = DecoderShape(
        num_stabilizers=2,
        num_data_qubits=3,
        layer_select=(0, 1),
        data_parity=np.array([[1, 1, 0], [0, 1, 1]], dtype=np.uint8),
    )
    constants = DecoderConstants(shape, num_observables=1, max_rounds=3, graph_hash=0x1F2E3D4C, clock_hz=100_000_000)
    return TestDecoder(constants, num_layers=4, planes=np.array([words], dtype=np.uint32))


def without_statistics() -> TestDecoder:
    """The same, built without counters, latencies and histogram."""
    decoder = repetition_d3()
    return replace(decoder, constants=replace(decoder.constants, statistics=False))


def wide() -> TestDecoder:
    """No code, but every size above one word: payloads of 2 and 3 words, 33 observables, a few stabilizers used."""
    random = np.random.default_rng(7)
    shape = DecoderShape(
        num_stabilizers=40,
        num_data_qubits=70,
        layer_select=(33, 2, 39),
        data_parity=(random.random((40, 70)) < 0.1).astype(np.uint8),
    )
    constants = DecoderConstants(shape, num_observables=33, max_rounds=2, graph_hash=0xFFFF_FFFF, clock_hz=125_000_000)
    planes = random.integers(0, 1 << 32, size=(33, 16), dtype=np.uint32)
    return TestDecoder(constants, num_layers=3, planes=planes)


def open_ended() -> TestDecoder:
    """The front end of a windowed decoder: shots of any length. It has no core."""
    decoder = wide()
    shape = replace(decoder.constants.shape, open_ended=True)
    constants = replace(decoder.constants, shape=shape, window=2, variable_rounds=True, max_rounds=0)
    return replace(decoder, constants=constants)


DECODERS = {"repetition_d3": repetition_d3, "wide": wide}
EVERY_DECODER = {**DECODERS, "without_statistics": without_statistics}
FRONT_ENDS = {**DECODERS, "open_ended": open_ended}
