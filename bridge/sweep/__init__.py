"""Sweeps: many decoders, links, codes and noises on the same shots; start reading in `sweep.py`."""
