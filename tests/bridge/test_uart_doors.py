"""What a serial line refuses when it is opened, each with its remedy; and the frames and items that travel on it."""

import errno
import os
import shutil
import tty
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
import yaml
from cobs import cobs

from bridge.boards.uart_line import rtl_line
from bridge.boards.uart_port import SimulatedPort
from bridge.errors import LinkOpenError
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, OpenedLink
from bridge.links.uart.frames import FrameReader, frame, frame_bytes
from bridge.links.uart.items import Cutter
from bridge.links.uart.line import UartAddress, uart_address
from hdl.compile.manifest import DecoderFolder
from qds1 import decode_corrections
from tests.bridge.boards import RunningBoard, running_board
from tests.bridge.memory import Memory

QUICK = Deadlines(register_s=0.3)


def link_to(address: str, memory: Memory) -> Link:
    return make_link(f"uart:{address}", memory.decoder, memory.problem, QUICK)


@pytest.fixture
def dead_port() -> Iterator[str]:
    """A port with nobody at its other end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_port_that_is_not_there(memory: Memory) -> None:
    with pytest.raises(LinkOpenError, match=r"there is no port /dev/ttyNONE\. (Serial ports here|There are no serial)"):
        link_to("/dev/ttyNONE", memory).open()


def test_a_port_that_another_program_has(memory: Memory, spare_board: RunningBoard) -> None:
    first = link_to(spare_board.path, memory)
    first.open()
    try:
        with pytest.raises(LinkOpenError, match="in use by another program"):
            link_to(spare_board.path, memory).open()
    finally:
        first.close()


def test_a_port_without_permission(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(LinkOpenError, match=r"no permission .* usermod -aG dialout"):
        link_to("/dev/ttyUSB0", memory).open()


def test_a_port_where_nobody_answers(memory: Memory, dead_port: str) -> None:
    with pytest.raises(LinkOpenError, match=r"answered nothing for 0\.3 s: no byte came; is it powered and programmed"):
        link_to(dead_port, memory).open()


def test_addresses() -> None:
    assert uart_address("/dev/ttyUSB0") == UartAddress("/dev/ttyUSB0", 1_000_000)
    assert uart_address("socket://board:4000,baud=115200") == UartAddress("socket://board:4000", 115_200)
    with pytest.raises(LinkOpenError, match="which port"):
        uart_address("")


def test_a_url_that_does_not_open(memory: Memory) -> None:
    with pytest.raises(LinkOpenError, match="cannot open the port"):
        link_to("socket://127.0.0.1:1", memory).open()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("faulty:ber=1e-4", "of which link"),
        ("faulty:bre=1e-4/verilated", "there is no fault 'bre'"),
        ("faulty:ber=2/uart:/dev/x", "not a probability"),
        ("faulty:ber=1e-4/verilated", "happens to bytes on a serial line"),
        ("faulty:seed=1.5/verilated", "not a whole number"),
    ],
)
def test_faults_that_there_are_not(memory: Memory, name: str, message: str) -> None:
    with pytest.raises(LinkOpenError, match=message):
        make_link(name, memory.decoder, memory.problem, QUICK)


def test_a_decoder_that_does_not_go_behind_a_uart(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "mine.sv").write_text("module mine; endmodule\n")
    (tmp_path / "decoder.yaml").write_text(
        "{name: mine, top: mine, sources: [mine.sv], num_stabilizers: 2, num_data_qubits: 3, num_observables: 1, "
        "rounds: 3}"
    )
    with pytest.raises(LinkOpenError, match="does not go behind a UART"):
        rtl_line(DecoderFolder(tmp_path))
    assert memory.decoder.folder is not None
    with pytest.raises(LinkOpenError, match="at least 4 clock cycles"):
        rtl_line(memory.decoder.folder, 2)


def test_a_decoder_behind_a_uart_may_call_its_modules_what_it_likes(memory: Memory, tmp_path: Path) -> None:
    """Packages of other names than ours, modules of the names of ours that do something else."""
    assert memory.decoder.folder is not None
    folder = tmp_path / "decoder"
    shutil.copytree(memory.decoder.folder.path, folder)
    for source in folder.rglob("*.sv"):
        text = source.read_text().replace("registers_pkg", "my_registers").replace("qds1_pkg", "my_words")
        source.write_text(text.replace("sync_fifo", "cobs_encoder"))
    (folder / "more.sv").write_text(
        "".join(f"module {name}; endmodule\n" for name in ("sync_fifo", "uart_rx", "uart_tx"))
    )
    manifest = yaml.safe_load((folder / "decoder.yaml").read_text())
    (folder / "decoder.yaml").write_text(yaml.safe_dump({**manifest, "sources": [*manifest["sources"], "more.sv"]}))
    decoder = replace(memory.decoder, folder=DecoderFolder(folder))
    with running_board(decoder) as board, OpenedLink(link_to(board.path, memory)) as opened:
        answers = opened.link.exchange(memory.words[:50].ravel(), 50)
    assert memory.decoder.software is not None
    expected, _ = memory.decoder.software().decode(memory.events[:50])
    assert expected.any()
    np.testing.assert_array_equal(decode_corrections(answers, 1).flips, expected)


def test_a_decoder_with_parameters_does_not_go_behind_a_uart(memory: Memory, tmp_path: Path) -> None:
    """As for a bitstream: nothing between the two passes them on."""
    assert memory.decoder.folder is not None
    folder = tmp_path / "decoder"
    shutil.copytree(memory.decoder.folder.path, folder)
    manifest = yaml.safe_load((folder / "decoder.yaml").read_text())
    (folder / "decoder.yaml").write_text(yaml.safe_dump({**manifest, "parameters": {"Depth": 4}}))
    message = r"sets parameters of its top \(Depth\), which decoder_top_uart cannot pass on; make them constants"
    with pytest.raises(LinkOpenError, match=message):
        rtl_line(DecoderFolder(folder))


def test_an_alias_that_is_a_file_is_left_alone(memory: Memory, tmp_path: Path) -> None:
    assert memory.decoder.folder is not None
    file = tmp_path / "port"
    file.write_text("precious")
    with pytest.raises(LinkOpenError, match="is not a symbolic link"):
        SimulatedPort(rtl_line(memory.decoder.folder, 4), file)
    assert file.read_text() == "precious"


def test_frames_are_cobs_of_words_and_crc() -> None:
    random = np.random.default_rng(1)
    for num_words in (1, 3, 62, 63, 64, 200):
        words = random.integers(0, 2**32, num_words, dtype=np.uint32).astype("<u4").tobytes()
        made = frame(words)
        assert made == cobs.encode(words + zlib.crc32(words).to_bytes(4, "little")) + b"\0"
        assert len(made) <= frame_bytes(num_words)


def test_a_reader_takes_bytes_in_any_pieces_and_drops_what_is_damaged() -> None:
    contents = [np.arange(n, dtype=np.uint32) for n in (1, 5, 2, 9)]
    data = bytearray(b"\0\0".join(frame(content.astype("<u4").tobytes()) for content in contents))
    second = data.index(b"\0") + 8
    data[second] ^= 0x40
    reader = FrameReader()
    found = [words.tolist() for byte in data for words in reader.take(bytes([byte]))]
    assert found == [contents[0].tolist(), contents[2].tolist(), contents[3].tolist()]
    assert reader.num_bad == 1


def test_words_are_cut_into_shots_and_the_beginning_of_one_is_kept(memory: Memory) -> None:
    words = memory.words[:5].ravel()
    whole = Cutter().cut(words)
    assert [(item.tag, item.is_shot, item.words.size) for item in whole] == [(tag, True, 8) for tag in range(5)]
    cutter = Cutter()
    pieces = [item for part in np.split(words, [3, 4, 11, 30]) for item in cutter.cut(part)]
    assert [item.words.tolist() for item in pieces] == [item.words.tolist() for item in whole]
    abandoned, shot = Cutter().cut(np.concatenate([memory.words[7][:4], memory.words[8]]))
    assert (abandoned.is_abandoned, abandoned.words.size, shot.tag, shot.is_shot) == (True, 4, 8, True)
