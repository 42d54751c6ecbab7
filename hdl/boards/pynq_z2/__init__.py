"""PYNQ-Z2: a decoder behind an AXI DMA on a Zynq-7020, driven by PYNQ."""

PROJECT_FOLDER = "pynq_z2"
"""Where a decoder folder keeps its Vivado project and the overlay that it builds."""
BOARD_NAME = "Pynq-Z2"
"""What /proc/device-tree/chosen/pynq_board says on the board."""
SIMULATED_BOARD_NAME = f"{BOARD_NAME}-simulated"
SIMULATORS = ("verilated", "verilator", "icarus")
"""What a simulated board's logic runs in; the last two through cocotb."""


def overlay_folder(board_name: str) -> str:
    """Folder of a board's overlay within a decoder's folder, from the name that the board gives itself."""
    return board_name.lower().replace("-", "_")
