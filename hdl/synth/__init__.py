"""What the decoders cost in an FPGA and what they reach: `python -m hdl.synth` writes docs/hardware.md."""
