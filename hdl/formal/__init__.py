"""Proofs about the RTL by k-induction: `python -m hdl.formal`. Each properties/MODULE.sv holds what is proved."""
