"""Boards with a Zynq: a decoder behind an AXI DMA, built by Vivado and driven by PYNQ. A board is a file here."""
