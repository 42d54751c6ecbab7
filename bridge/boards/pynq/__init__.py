"""A simulated Zynq board: PYNQ.remote's services in front, an AXI DMA and the decoder's RTL behind them."""

SIMULATORS = ("verilated", "verilator", "icarus")
"""What its logic runs in; the last two through cocotb."""
SERVERS = ("4.0", "3.1")
"""Versions of PYNQ.remote that it can speak as; images for Zynq-7000 boards have 3.1 at most."""
SIMULATED_SUFFIX = "-simulated"
"""Behind the board's name."""


def simulated_name(board_name: str) -> str:
    """What a simulated board calls itself."""
    return f"{board_name}{SIMULATED_SUFFIX}"
