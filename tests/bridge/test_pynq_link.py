"""The pynq link on a simulated board that serves elsewhere: what is refused, what is lost, and pynq's own view."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as Xml
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")

from bridge.boards.pynq.board import PYNQ_PORT, BoardSettings, board_project, running_board
from bridge.boards.pynq.logic import LogicLimits
from bridge.boards.pynq.overlay import handoff_source, simulated_overlay, write_overlay
from bridge.counters import read_counters
from bridge.decoders import Decoder, find_decoder
from bridge.errors import (
    DecoderMismatchError,
    DecoderSilentError,
    LinkError,
    LinkLostError,
    LinkOpenError,
    RegisterError,
)
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, OpenedLink, Words
from bridge.links.pynq.choice import check_choice, parse_choice
from bridge.links.pynq.library import import_pynq
from bridge.links.pynq.link import PynqLink
from bridge.links.verilated import VerilatedLink
from hdl.boards.vivado.board import VivadoBoard, find_board
from hdl.boards.vivado.design import CLOCK_PARAMETER
from hdl.compile.decoder import compile_decoder
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.registers.map import Address
from qds1 import decode_corrections, split_frames
from tests.bridge.memory import Memory
from tests.bridge.surface import event_words, surface_problem, take_events
from tests.tools import needs_simulator

if TYPE_CHECKING:
    from bridge.links.pynq.driver import DecoderBoard

DEADLINES = Deadlines(idle_cycles=2000, exchange_s=30)
TIMEOUT_S = 120
LIMITS = LogicLimits(idle_cycles=2000, stall_s=0.0)
Z2 = find_board("pynq_z2")


@dataclass(frozen=True)
class Board:
    """Where a board serves, and the decoder.bit that it takes."""

    address: str
    bitstream: Path

    def link(self, decoder: Decoder) -> PynqLink:
        assert decoder.folder is not None
        return PynqLink(decoder.folder, f"{self.address},{self.bitstream}", DEADLINES)


@pytest.fixture(scope="module")
def board(memory: Memory) -> Iterator[Board]:
    assert memory.decoder.folder is not None
    with tempfile.TemporaryDirectory(prefix="qtwin-") as folder:
        address = f"unix:{folder}/board"
        settings = BoardSettings(memory.decoder.folder, Z2, address, overlay=Path(folder) / "overlay", limits=LIMITS)
        with running_board(settings) as bitstream:
            yield Board(address, bitstream)


@contextmanager
def opened_board(
    memory: Memory, board: VivadoBoard, server: str = "4.0", pll_mhz: float | None = None
) -> Iterator[PynqLink]:
    """A link to a board of one's own, served by this process."""
    folder = memory.decoder.folder
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="qtwin-") as scratch:
        settings = BoardSettings(
            folder, board, f"unix:{scratch}/board", overlay=Path(scratch) / "overlay", server=server,
            boot_pll_mhz=pll_mhz, limits=LIMITS,
        )  # fmt: skip
        with running_board(settings) as bitstream:
            link = PynqLink(folder, f"{settings.address},{bitstream}", DEADLINES)
            with OpenedLink(link):
                yield link


def driver(link: PynqLink) -> "DecoderBoard":
    assert link.board is not None
    return link.board


@pytest.fixture
def opened(board: Board, memory: Memory) -> Iterator[PynqLink]:
    link = board.link(memory.decoder)
    with OpenedLink(link):
        yield link


def direct_answers(memory: Memory, num_shots: int) -> Words:
    """What the RTL alone answers."""
    assert memory.decoder.folder is not None
    with OpenedLink(VerilatedLink(memory.decoder.folder, DEADLINES)) as direct:
        return direct.link.exchange(memory.words[:num_shots].ravel(), num_shots)


def changed(memory: Memory, folder: Path, **fields: object) -> Decoder:
    """The decoder with another manifest, in a folder of its own."""
    original = memory.decoder.folder
    assert original is not None
    text = (original.path / "decoder.yaml").read_text()
    for name, value in fields.items():
        text = "\n".join(f"{name}: {value}" if line.startswith(f"{name}:") else line for line in text.splitlines())
    for file in original.path.rglob("*"):
        if file.is_file() and "pynq" not in str(file.relative_to(original.path)):
            target = folder / file.relative_to(original.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    (folder / "decoder.yaml").write_text(text)
    return replace(memory.decoder, folder=DecoderFolder(folder))


def test_argument_names_address_and_overlay() -> None:
    assert parse_choice("") == parse_choice(",")
    assert parse_choice("10.0.0.9").address == "10.0.0.9"
    assert parse_choice("unix:/tmp/b,x/y.bit").address == "unix:/tmp/b"
    assert parse_choice("unix:/tmp/b,x/y.bit").overlay == Path("x/y.bit")
    assert parse_choice(",x.bit").address is None
    assert parse_choice("simulated").simulator == "verilated"
    assert parse_choice("simulated:icarus").simulator == "icarus"


@pytest.mark.parametrize(
    ("argument", "board", "simulator", "server"),
    [
        ("simulated", "pynq_z2", "verilated", "4.0"),
        ("simulated,board=kv260", "kv260", "verilated", "4.0"),
        ("simulated:icarus,server=3.1,board=a/b.yaml", "a/b.yaml", "icarus", "3.1"),
    ],
)
def test_argument_names_the_simulated_board(argument: str, board: str, simulator: str, server: str) -> None:
    choice = parse_choice(argument)
    assert (choice.board, choice.simulator, choice.server) == (board, simulator, server)
    assert choice.address is None
    assert choice.overlay is None


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("simulated,kv260", "'kv260' is not for it; write each of board=NAME and server=VERSION once at most"),
        ("simulated,boards=kv260", "did you mean 'board'?"),
        ("simulated,board=", "'board=' is not for it"),
        ("simulated,board=kv260,board=zcu104", "'board=zcu104' is not for it"),
        ("simulated,board=kv26", "expected one of kv260, pynq_z2, rfsoc4x2, zcu104, zcu216, or a file .yaml"),
        ("simulated,board=kv26", "did you mean 'kv260'?"),
        ("simulated,server=3.0", "there is no server '3.0': expected one of 4.0, 3.1"),
    ],
)
def test_simulated_board_that_there_is_not_is_refused(argument: str, message: str) -> None:
    with pytest.raises(LinkOpenError, match=re.escape(message)):
        check_choice(parse_choice(argument))


# Registers of the DMA and of the decoder: as in the design guides of both families, not as the code has them.
ZYNQ, ULTRASCALE = ("armv7l", 0x4040_0000, 0x43C0_0000), ("aarch64", 0xA000_0000, 0xA001_0000)
BOARDS = {"pynq_z2": ZYNQ, "zcu104": ULTRASCALE, "kv260": ULTRASCALE, "rfsoc4x2": ULTRASCALE, "zcu216": ULTRASCALE}
HIGH_WORDS = (0x7FFF_FFFF, 0x8000_0000, 0xDEAD_BEEF, 0xFFFF_FFFF)


@pytest.mark.parametrize("server", ["3.1", "4.0"])
@pytest.mark.parametrize("name", BOARDS)
def test_every_board_answers_over_either_version_of_pynq_remote(memory: Memory, name: str, server: str) -> None:
    words, shots = memory.words.ravel(), len(memory.words)
    arch, dma, decoder = BOARDS[name]
    with opened_board(memory, find_board(name), server) as link:
        import pynq

        board = driver(link)
        np.testing.assert_array_equal(link.exchange(words, shots), direct_answers(memory, shots))
        for word in HIGH_WORDS:
            link.write_register(Address.SCRATCH, word)
            assert link.read_register(Address.SCRATCH) == word
            assert int(board.decoder.register_map.SCRATCH) == word
        assert board.decoder.device.arch == arch
        assert board.decoder.device.name.endswith("-simulated")
        assert {name: facts["phys_addr"] for name, facts in board.overlay.ip_dict.items() if "phys_addr" in facts} == {
            "axi_dma_0": dma, "decoder_0": decoder,
        }  # fmt: skip
        assert pynq.Clocks.fclk0_mhz == pytest.approx(memory.decoder.clock_mhz, rel=1e-4)
        link.reset()
        np.testing.assert_array_equal(link.exchange(memory.words[0], 1), direct_answers(memory, 1))


@pytest.mark.parametrize("name", BOARDS)
def test_handoff_has_only_names_that_vivado_writes(memory: Memory, name: str) -> None:
    """Compared with two handoffs out of Vivado that come with pynqmetadata, for a Zynq-7000 and for an RFSoC."""
    import pynqmetadata

    folder, board = memory.decoder.folder, find_board(name)
    assert folder is not None
    handoff = Xml.fromstring(handoff_source(board_project(folder, board), board))
    real_files = {file.stem: file for file in Path(pynqmetadata.__file__).parent.glob("tests/hwhs/*.hwh")}
    for kind, real_name in (
        (board.processing_system, "resizer" if name == "pynq_z2" else "rfsoc_sam"), ("axi_dma", "resizer"),
    ):  # fmt: skip
        ours, real = (
            next(module for module in root.iter("MODULE") if module.get("MODTYPE") == kind)
            for root in (handoff, Xml.parse(real_files[real_name]).getroot())
        )
        for tag in ("PARAMETER", "BUSINTERFACE"):
            known = {found.get("NAME") for found in real.iter(tag)}
            added = {CLOCK_PARAMETER} if kind == "processing_system7" else set()
            assert {found.get("NAME") for found in ours.iter(tag)} - added <= known
        for tag in ("MODULE", "BUSINTERFACE", "MEMRANGE"):
            attributes = {attribute for found in real.iter(tag) for attribute in found.attrib}
            assert {attribute for found in ours.iter(tag) for attribute in found.attrib} <= attributes
        assert (ours.get("VLNV") or "").rpartition(":")[0] == (real.get("VLNV") or "").rpartition(":")[0]


def test_ports_of_another_width_are_set_on_the_link_s_own_board(memory: Memory) -> None:
    """By pynq, with the widths of the handoff; nothing answers through ports of the wrong width."""
    narrow = find_board("zcu104").model_copy(update={"control_bits": 32, "memory_bits": 64, "dma_bits": 64})
    words, shots = memory.words.ravel(), len(memory.words)
    with opened_board(memory, find_board("kv260")) as wide, opened_board(memory, narrow) as link:
        np.testing.assert_array_equal(link.exchange(words, shots), wide.exchange(words, shots))
        wide.reset()
        link.reset()
        np.testing.assert_array_equal(link.exchange(words, shots), wide.exchange(words, shots))


def test_clock_is_the_design_s_whatever_the_boot_image_divides_it_from(memory: Memory) -> None:
    with opened_board(memory, find_board("kv260"), pll_mhz=1500.0) as link:
        import pynq

        assert link.read_register(Address.CLOCK_HZ) == pytest.approx(1e6 * pynq.Clocks.fclk0_mhz, rel=1e-4)
    odd_mhz = 33.333 * 121 / 2  # divided by 20: 100.83 MHz
    with (
        pytest.raises(LinkError, match=r"makes a clock of 100\.832 MHz, .* built for 100 MHz; .*--clock-mhz 100\.832"),
        opened_board(memory, find_board("kv260"), pll_mhz=odd_mhz),
    ):
        pass


@pytest.mark.parametrize("version", ["2.7.0", "3.0.1", "5.0.0"])
def test_pynq_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    pynq = import_pynq("127.0.0.1")
    monkeypatch.setattr(pynq, "__version__", version)
    with pytest.raises(LinkOpenError, match=rf"pynq {version} is installed here; this link needs 3\.1 to 4\.x"):
        import_pynq("127.0.0.1")
    for known in ("3.1.2", "4.0.0"):
        monkeypatch.setattr(pynq, "__version__", known)
        assert import_pynq("127.0.0.1") is pynq


def test_registers_have_names_in_pynq(opened: PynqLink, memory: Memory) -> None:
    decoder = driver(opened).decoder
    assert int(decoder.register_map.GRAPH_HASH) == memory.problem.graph.graph_hash
    assert decoder.register_map.CONTROL.enable == 1
    decoder.register_map.CONTROL.enable = 0
    assert opened.read_register(Address.CONTROL) == 0
    decoder.register_map.CONTROL.enable = 1
    assert decoder.graph_hash == memory.problem.graph.graph_hash


def test_clock_is_the_manifest_s(opened: PynqLink, memory: Memory) -> None:
    import pynq

    assert pynq.Clocks.fclk0_mhz == pytest.approx(memory.decoder.clock_mhz)
    assert driver(opened).decoder.read(Address.CLOCK_HZ) == pytest.approx(1e6 * pynq.Clocks.fclk0_mhz)


def test_registers_that_no_decoder_has_never_reach_the_board(opened: PynqLink) -> None:
    with pytest.raises(RegisterError, match="0x7fc: there is none"):
        opened.read_register(0x7FC)
    with pytest.raises(RegisterError, match="can only be read"):
        opened.write_register(Address.ID, 1)
    with pytest.raises(RuntimeError, match="AXI response 2"):
        driver(opened).decoder.read(0x7FC)


def test_registers_of_statistics_are_refused_where_the_decoder_has_none(memory: Memory, tmp_path: Path) -> None:
    model = memory.problem.error_model
    folder = compile_decoder(model, events_layout(model), tmp_path / "small", statistics=False)
    with OpenedLink(PynqLink(folder, "simulated,board=kv260", DEADLINES)) as small:
        for address in (Address.HISTOGRAM_SHIFT, Address.COUNT_SHOTS, Address.LATENCY_SUM_HIGH, Address.HISTOGRAM + 4):
            with pytest.raises(RegisterError, match="built without statistics"):
                small.link.read_register(address)
        assert small.link.read_register(Address.SCRATCH) == 0
        assert read_counters(small.link) == {"stalls": None, "faults": None}


def test_exchange_takes_few_calls_to_the_board(
    opened: PynqLink, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def count(stub: object, name: str) -> None:
        original = getattr(stub, name)

        def counted(request: object) -> object:
            calls.append(name)
            return original(request)

        monkeypatch.setattr(stub, name, counted)

    for stub in driver(opened).decoder.device._stub.values():
        for name in vars(stub):
            count(stub, name)
    opened.exchange(memory.words.ravel(), len(memory.words))
    assert 20 < len(calls) < 0.1 * len(memory.words)


def test_overlay_that_does_not_say_how_long_answers_are_is_refused(opened: PynqLink) -> None:
    from bridge.links.pynq.driver import DecoderBoard

    overlay = driver(opened).overlay
    blocks = {name: {"type": facts["type"]} for name, facts in overlay.ip_dict.items()}
    with pytest.raises(LinkError, match=r"old\.bit is of an older qtwin: .* build it again"):
        DecoderBoard(SimpleNamespace(ip_dict=blocks, bitfile_name="old.bit", decoder_0=None, axi_dma_0=None))


def test_silent_decoder_leaves_a_link_that_asks_for_a_reset(opened: PynqLink, memory: Memory) -> None:
    with pytest.raises(DecoderSilentError, match=r"gave 2 of 3 answers .* m_axis_tvalid is down"):
        opened.exchange(memory.words[:2].ravel(), 3)
    with pytest.raises(LinkError, match="reset the link"):
        opened.exchange(memory.words[0], 1)
    opened.reset()
    assert opened.exchange(memory.words[0], 1).size == 4


def test_missing_overlay_is_named_with_the_remedy(board: Board, memory: Memory, tmp_path: Path) -> None:
    decoder = changed(memory, tmp_path / "decoder").folder
    assert decoder is not None
    with pytest.raises(
        LinkOpenError, match=r"no .*pynq_z2_simulated/decoder.bit and no .*decoder.hwh; start that board"
    ):
        PynqLink(decoder, board.address, DEADLINES).open()
    lonely = tmp_path / "lonely.bit"
    lonely.write_bytes(board.bitstream.read_bytes())
    with pytest.raises(LinkOpenError, match=r"no .*lonely.hwh"):
        PynqLink(decoder, f"{board.address},{lonely}", DEADLINES).open()


def test_bitstream_of_another_graph_is_refused(board: Board, memory: Memory, tmp_path: Path) -> None:
    other = changed(memory, tmp_path / "other", graph_hash='"0x12345678"')
    with pytest.raises(DecoderMismatchError, match=r"was built for graph 0x[0-9a-f]{8}, the decoder .* for 0x12345678"):
        board.link(other).open()


def test_bitstream_of_another_protocol_is_refused(
    board: Board, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.links.pynq.link.VERSION_MAJOR_VALUE", 2)
    with pytest.raises(DecoderMismatchError, match="speaks version 1 of the protocol, this qtwin speaks version 2"):
        board.link(memory.decoder).open()


def test_changed_header_is_another_board(memory: Memory, tmp_path: Path) -> None:
    folder = changed(memory, tmp_path / "decoder").folder
    assert folder is not None
    core, note = folder.path / "decoder_core.sv", folder.path / "note.vh"
    core.write_text('`include "note.vh"\n' + core.read_text())
    found = []
    for text in ("// one", "// one", "// two"):
        note.write_text(text)
        project = board_project(DecoderFolder(folder.path), Z2)
        (copy,) = project.path.rglob("note.vh")
        assert copy.read_text() == text
        found.append(project.path)
    assert found[0] == found[1] != found[2]


def test_board_refuses_a_bitstream_that_is_not_its_own(board: Board, memory: Memory, tmp_path: Path) -> None:
    content = board.bitstream.read_bytes()
    for name, payload, message in (
        ("changed", content[:-4] + b"\0\0\0\0", "not of a simulated board"),
        ("other", content.replace(b'"sha256": "', b'"sha256": "x', 1)[:-1], "another version"),
    ):
        bitstream = tmp_path / f"{name}.bit"
        bitstream.write_bytes(payload)
        bitstream.with_suffix(".hwh").write_bytes(board.bitstream.with_suffix(".hwh").read_bytes())
        assert memory.decoder.folder is not None
        with pytest.raises(LinkOpenError, match=message):
            PynqLink(memory.decoder.folder, f"{board.address},{bitstream}", DEADLINES).open()


def test_bitstream_that_was_built_anew_under_its_old_name_is_sent(memory: Memory) -> None:
    """pynq sends none where the board has a file of that name: the old one would be loaded without a word."""
    with opened_board(memory, Z2) as first:
        address, bitstream = str(driver(first).overlay.device.ip_addr), Path(driver(first).overlay.bitfile_name)
        folder = memory.decoder.folder
        assert folder is not None
        first.write_register(Address.SCRATCH, 1)
        with OpenedLink(PynqLink(folder, f"{address},{bitstream}", DEADLINES)) as opened:
            assert opened.link.read_register(Address.SCRATCH) == 0  # as after power-on
        content = bitstream.read_bytes()
        bitstream.write_bytes(content.replace(b'"sha256": "', b'"sha256": "x', 1)[:-1])
        with pytest.raises(LinkOpenError, match="another version"):
            PynqLink(folder, f"{address},{bitstream}", DEADLINES).open()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zcu104", "the bitstream is for a ZCU104, and this is a KV260"),
        (
            "pynq_z2",
            r"a KV260-simulated with a processor of aarch64, but .*decoder.bit is for one of armv7l \(processing_",
        ),
    ],
)
def test_overlay_of_another_board_is_refused(memory: Memory, tmp_path: Path, name: str, message: str) -> None:
    folder, other = memory.decoder.folder, find_board(name)
    assert folder is not None
    bitstream = write_overlay(simulated_overlay(board_project(folder, other), other), tmp_path)
    with opened_board(memory, find_board("kv260")) as link:
        address = driver(link).overlay.device.ip_addr
        with pytest.raises(LinkOpenError, match=message):
            PynqLink(folder, f"{address},{bitstream}", DEADLINES).open()


def test_board_that_does_not_answer_is_named_with_the_remedy(memory: Memory) -> None:
    with pytest.raises(LinkOpenError, match=r"no board answers at 127\.0\.0\.77; check"):
        make_link("pynq:127.0.0.77", memory.decoder, memory.problem, DEADLINES).open()


def test_no_board_here_is_said_with_the_remedy(memory: Memory) -> None:
    with pytest.raises(LinkOpenError, match="pynq:ADDRESS, or --link pynq:simulated"):
        make_link("pynq", memory.decoder, memory.problem, DEADLINES).open()


def test_clock_that_the_board_cannot_make_is_refused_before_it_is_started(memory: Memory, tmp_path: Path) -> None:
    folder = changed(memory, tmp_path / "decoder", clock_mhz=93).folder
    assert folder is not None
    with pytest.raises(LinkOpenError, match=r"^a ZCU104 cannot make a clock of 93 MHz .* --clock-mhz 93\.75$"):
        PynqLink(folder, "simulated,board=zcu104", DEADLINES).open()


def test_board_that_is_killed_is_a_lost_link(memory: Memory) -> None:
    assert memory.decoder.folder is not None
    link = PynqLink(memory.decoder.folder, "simulated", DEADLINES)
    link.open()
    link.exchange(memory.words[0], 1)
    assert link.child is not None
    link.child.kill()
    with pytest.raises(LinkLostError, match="the board went away while exchanging words"):
        link.exchange(memory.words[0], 1)
    with pytest.raises(LinkLostError, match="register 0x000"):
        link.read_register(Address.ID)
    link.abort()


def test_address_in_use_is_refused(board: Board, memory: Memory, tmp_path: Path) -> None:
    folder = memory.decoder.folder
    assert folder is not None
    with (
        pytest.raises(LinkOpenError, match="another board listens"),
        running_board(BoardSettings(folder, Z2, board.address, overlay=tmp_path)),
    ):
        pass
    with (
        socket.create_server(("127.0.0.78", PYNQ_PORT)),
        pytest.raises(LinkOpenError, match="in use"),
        running_board(BoardSettings(folder, Z2, "127.0.0.78", overlay=tmp_path)),
    ):
        pass


def test_overlay_that_cannot_be_written_is_refused(memory: Memory, tmp_path: Path) -> None:
    folder = memory.decoder.folder
    assert folder is not None
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(LinkOpenError, match=r"cannot write the overlay: .* --overlay"),
        running_board(BoardSettings(folder, Z2, f"unix:{tmp_path}/b", overlay=tmp_path / "file")),
    ):
        pass


def test_board_that_was_started_anew_is_a_lost_link_that_opens_again(memory: Memory, tmp_path: Path) -> None:
    folder = memory.decoder.folder
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="qtwin-") as scratch:
        settings = BoardSettings(folder, Z2, f"unix:{scratch}/board", overlay=tmp_path / "overlay", limits=LIMITS)
        with running_board(settings) as bitstream:
            link = PynqLink(folder, f"{settings.address},{bitstream}", DEADLINES)
            link.open()
            before = link.exchange(memory.words[:3].ravel(), 3)
        with running_board(settings):
            with pytest.raises(LinkLostError):
                link.exchange(memory.words[:3].ravel(), 3)
            link.abort()
            link.open()
            np.testing.assert_array_equal(link.exchange(memory.words[:3].ravel(), 3), before)
            link.close()


def test_driver_needs_nothing_that_a_board_s_processor_lacks(board: Board) -> None:
    program = """
import sys
for name in ("stim", "pymatching", "scipy", "qiskit", "matplotlib", "cocotb", "verilator", "httpx", "sqlalchemy"):
    sys.modules[name] = None
import pynq.lib.dma
from bridge.links.pynq.driver import DecoderBoard
overlay = __import__("pynq").Overlay(sys.argv[1])
print(hex(DecoderBoard(overlay).decoder.read(0)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(board.bitstream)],
        env={**os.environ, "PYNQ_REMOTE_DEVICES": board.address}, capture_output=True, text=True, check=False,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0x31534451"


@pytest.fixture
def icarus() -> None:
    needs_simulator("icarus")


@pytest.mark.usefixtures("icarus")
def test_cocotb_simulation_behind_the_board_answers_the_same(opened: Link, memory: Memory) -> None:
    assert memory.decoder.folder is not None
    few = memory.words[:40]
    expected = opened.exchange(few.ravel(), len(few))
    with OpenedLink(PynqLink(memory.decoder.folder, "simulated:icarus", DEADLINES)) as slow:
        assert slow.info.simulator is not None
        np.testing.assert_array_equal(slow.link.exchange(few.ravel(), len(few)), expected)


@pytest.mark.usefixtures("icarus")
def test_frames_of_a_windowed_decoder_ride_in_the_packet_of_their_answer() -> None:
    rounds, shots = 12, 8
    problem = surface_problem(rounds)
    decoder = find_decoder("union-find:window=6,commit=3,loadable", problem)
    words = event_words(rounds, shots, seed=1).ravel()
    answers = []
    for name in ("pynq:simulated:icarus", "software"):
        with OpenedLink(make_link(name, decoder, problem, DEADLINES)) as opened:
            take_events(opened.link)
            answers.append(split_frames(opened.link.exchange(words, shots), 1))
    (corrections, frames), (expected, expected_frames) = answers
    np.testing.assert_array_equal(decode_corrections(corrections, 1).flips, decode_corrections(expected, 1).flips)
    assert frames.rounds.tolist() == expected_frames.rounds.tolist() == [3, 6, 9] * shots
    np.testing.assert_array_equal(frames.flips, expected_frames.flips)
