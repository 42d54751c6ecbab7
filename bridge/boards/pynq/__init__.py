"""A simulated PYNQ-Z2: PYNQ.remote's services in front, an AXI DMA and the decoder's RTL behind them."""
