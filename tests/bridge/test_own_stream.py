"""A decoder with a stream of its own, by the mapping in its manifest and by a codec in Python, over the RTL links."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bridge.decoders import find_decoder
from bridge.doctor import Examination, examine
from bridge.errors import LinkError, LinkOpenError
from bridge.links import make_link
from bridge.links.base import Deadlines, OpenedLink
from bridge.problem import DecodingProblem
from hdl.compile.manifest import MANIFEST_NAME
from qds1 import decode_corrections
from qds1.shots import Bits
from tests.bridge.memory import Memory, repetition_session
from tests.tools import needs_simulator

BYTE_DECODER = Path(__file__).parent.parent.parent / "docs" / "examples" / "byte-stream" / "byte_decoder.sv"
CODEC = Path(__file__).parent / "byte_codec.py"
PORTS = {
    "clock": "clock", "reset": "reset", "in_data": "rx_byte", "in_valid": "rx_valid", "in_ready": "rx_ready",
    "out_data": "tx_byte", "out_valid": "tx_valid", "out_ready": "tx_ready",
}  # fmt: skip


def write_decoder(folder: Path, problem: DecodingProblem, stream: dict[str, Any]) -> Path:
    """The decoder's folder, as its owner would write it."""
    folder.mkdir()
    shutil.copy(BYTE_DECODER, folder)
    shutil.copy(CODEC, folder / "codec.py")
    manifest = {
        "name": "byte-decoder",
        "protocol": "stream/1",
        "top": "byte_decoder",
        "sources": ["byte_decoder.sv"],
        "graph_hash": problem.graph.graph_hash,
        "num_stabilizers": 2,
        "num_data_qubits": 3,
        "num_observables": 1,
        "rounds": 3,
        "stream": {"word_bits": 8, "shot_words": 2, "answer_words": 2, "ports": PORTS, **stream},
    }
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest))
    return folder


def mapping(problem: DecodingProblem) -> dict[str, Any]:
    """Stabilizer 1 from layer 3 down to 0, then stabilizer 0; the observable is data qubit 2, correction bit 0."""
    place = {
        (int(bit), int(layer)): detector
        for detector, (bit, layer) in enumerate(
            zip(problem.layout.detector_bit, problem.layout.detector_layer, strict=True)
        )
    }
    order = [place[bit, layer] for bit in (1, 0) for layer in (3, 2, 1, 0)]
    return {"prefix": [0x7E], "detectors": order, "answer_prefix": 1, "observables": [[0]]}


def final_syndrome_flips(memory: Memory) -> Bits:
    """What this decoder must answer: data qubit 2 is flipped when only stabilizer 1 is left over in the readout."""
    left = memory.problem.layout.events_by_layer(memory.events.astype(bool)).sum(axis=1) & 1
    return np.asarray((left[:, 0] == 0) & (left[:, 1] == 1), dtype=np.uint8)[:, None]


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:icarus"])
@pytest.mark.parametrize("kind", ["mapping", "codec"])
def test_decoder_with_its_own_stream_answers_qds1(link_name: str, kind: str, memory: Memory, tmp_path: Path) -> None:
    needs_simulator(link_name)
    stream = mapping(memory.problem) if kind == "mapping" else {"codec": "codec.py:Codec"}
    folder = write_decoder(tmp_path / "decoder", memory.problem, stream)
    decoder = find_decoder(str(folder), memory.problem)
    words = memory.words[:50]
    with OpenedLink(make_link(link_name, decoder, memory.problem, Deadlines())) as opened:
        answers = decode_corrections(opened.link.exchange(words.ravel(), len(words)), 1)
        again = decode_corrections(opened.link.exchange(words.ravel(), len(words)), 1)
        with pytest.raises(LinkError, match="whole shots"):
            opened.link.exchange(words[0, :3], 0)
    assert answers.tags.tolist() == again.tags.tolist() == list(range(50))
    np.testing.assert_array_equal(answers.flips, final_syndrome_flips(memory)[:50])
    np.testing.assert_array_equal(again.flips, answers.flips)
    assert answers.flips.any()
    assert answers.latency_cycles.min() > 0


def test_doctor_finds_it_healthy_and_names_a_wrong_mapping(memory: Memory, tmp_path: Path) -> None:
    session = {**repetition_session(3), "round_time_ns": 1000.0}
    settings = Examination(shots=2000, order_shots=400, paced_shots=50)
    right = mapping(memory.problem)
    for name, stream, diagnoses in (
        ("healthy", right, ()),
        (
            "mirrored",
            {**right, "detectors": [*right["detectors"][4:], *right["detectors"][:4]]},
            ("bit order reversed",),
        ),
    ):
        folder = write_decoder(tmp_path / name, memory.problem, stream)
        decoder = find_decoder(str(folder), memory.problem).folder
        assert decoder is not None
        assert set(diagnoses) <= set(examine(decoder, memory.problem, session, settings).diagnoses)
        assert bool(diagnoses) == (not examine(decoder, memory.problem, session, settings).healthy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shot_words": 3}, "shot_words is 3"),
        ({"detectors": [99]}, "detectors 0 to 7"),
        ({"observables": [[8]]}, "correction bits 0 to 7"),
        ({"observables": [[0], [1]]}, "this memory has 1"),
        ({"codec": "gone.py:Codec"}, "gone.py"),
        ({"codec": "codec.py:Nothing"}, "Nothing"),
    ],
)
def test_mapping_that_does_not_fit_is_refused(
    change: dict[str, Any], message: str, memory: Memory, tmp_path: Path
) -> None:
    folder = write_decoder(tmp_path / "decoder", memory.problem, {**mapping(memory.problem), **change})
    decoder = find_decoder(str(folder), memory.problem)
    with pytest.raises(LinkOpenError, match=message):
        make_link("verilated", decoder, memory.problem, Deadlines())


def test_stream_needs_its_protocol(memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "decoder", memory.problem, mapping(memory.problem))
    file = folder / MANIFEST_NAME
    file.write_text(file.read_text().replace("stream/1", "qds1/1"))
    with pytest.raises(LinkOpenError, match="stream/1"):
        find_decoder(str(folder), memory.problem)
