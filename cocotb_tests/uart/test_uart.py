"""The UART's modules on both simulators: the line, the frames, the link's registers, and the whole on its line."""

from pathlib import Path

import pytest

from cocotb_tests.simulation import FIXTURES, PACKAGES, RTL, decoder_sources, simulate
from hdl.compile.decoder import UART_RTL

FRAME_RX = [RTL / name for name in ("cobs_decoder.sv", "crc32_byte.sv", "uart_frame_rx.sv")]
FRAME_TX = [RTL / name for name in ("cobs_encoder.sv", "crc32_byte.sv", "uart_frame_tx.sv")]


@pytest.mark.parametrize(
    "clocks_per_bit", [8, pytest.param(4, marks=pytest.mark.slow), pytest.param(16, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("module", ["rx", "tx"])
def test_line(simulator: str, module: str, clocks_per_bit: int, tmp_path: Path) -> None:
    simulate(
        simulator,
        top=f"uart_{module}",
        sources=[RTL / f"uart_{module}.sv"],
        parameters={"ClocksPerBit": clocks_per_bit},
        environment={"CLOCKS_PER_BIT": str(clocks_per_bit)},
        test_module=f"cocotb_tests.uart.simulated_{module}",
        scratch=tmp_path,
    )


@pytest.mark.parametrize("top", ["cobs_encoder", "cobs_decoder"])
def test_byte_stuffing(simulator: str, top: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top=top,
        sources=[RTL / f"{top}.sv"],
        environment={"TOP": top},
        test_module="cocotb_tests.uart.simulated_cobs",
        scratch=tmp_path,
    )


def test_crc(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="crc32_byte",
        sources=[RTL / "crc32_byte.sv"],
        test_module="cocotb_tests.uart.simulated_crc",
        scratch=tmp_path,
    )


def test_frames_in(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="uart_frame_rx",
        sources=FRAME_RX,
        parameters={"FrameWordsBits": 4},
        environment={"FRAME_WORDS_BITS": "4"},
        test_module="cocotb_tests.uart.simulated_frame_rx",
        scratch=tmp_path,
    )


def test_frames_out(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="uart_frame_tx",
        sources=FRAME_TX,
        test_module="cocotb_tests.uart.simulated_frame_tx",
        scratch=tmp_path,
    )


def test_link_registers(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="uart_registers",
        sources=[*PACKAGES, RTL / "uart_registers.sv"],
        test_module="cocotb_tests.uart.simulated_registers",
        scratch=tmp_path,
    )


def test_decoder_on_its_line(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="decoder_top_uart",
        sources=[*decoder_sources(FIXTURES / "repetition_d3"), *(RTL / name for name in UART_RTL)],
        parameters={"ClocksPerBit": 8},
        test_module="cocotb_tests.uart.simulated_top",
        scratch=tmp_path,
    )
