"""The block design in figures that every board has: what is built, what a simulated board shows, what a driver expects.

A board's own processor imports this with its own Python: nothing but constants, for Python 3.10.
"""

TOP = "decoder_top_axi"
DECODER_VLNV = f"qtwin:hdl:{TOP}:1.0"
DECODER_NAME = "decoder_0"
DECODER_BUS = "s_axil"
DECODER_BYTES = 0x1000
DMA_VLNV = "xilinx.com:ip:axi_dma:7.1"
DMA_NAME = "axi_dma_0"
DMA_BYTES = 0x1_0000
DMA_LENGTH_BITS = 26
"""Width of the DMA's length registers: one transfer is at most 2**26 - 1 bytes."""
STREAM_BITS = 32
OVERLAY = "decoder"
"""Overlay files are called decoder.bit and decoder.hwh."""
CLOCK_PARAMETER = "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"
"""The achieved clock in a hardware handoff, in MHz, by its name on UltraScale+: pynq 4.0.0 looks for no other."""
CLOCK_TOLERANCE = 1e-3
"""Latencies in ns are computed with the manifest's clock: one that is further off is refused, not rounded."""
LONGEST_ANSWER, LONGEST_FRAME = "LongestAnswerWords", "LongestFrameWords"
"""Parameters of the decoder's block: words of an answer and of a FRAME, header included; 0 = there are no FRAMEs."""
