"""The block design in figures: what the Vivado script builds, what a simulated board shows, what the driver expects."""

PART = "xc7z020clg400-1"
TOP = "decoder_top_axi"
DECODER_VLNV = f"qtwin:hdl:{TOP}:1.0"
DECODER_NAME = "decoder_0"
DECODER_BUS = "s_axil"
DECODER_BASE, DECODER_BYTES = 0x43C0_0000, 0x1000
DMA_VLNV = "xilinx.com:ip:axi_dma:7.1"
DMA_NAME = "axi_dma_0"
DMA_BASE, DMA_BYTES = 0x4040_0000, 0x1_0000
DMA_LENGTH_BITS = 26
"""Width of the DMA's length registers: one transfer is at most 2**26 - 1 bytes."""
OVERLAY = "decoder"
"""Overlay files are called decoder.bit and decoder.hwh."""
