"""The `verilated` link: the decoder's RTL as a shared library in this process."""

from bridge.links.verilated.link import VerilatedLink

__all__ = ["VerilatedLink"]
