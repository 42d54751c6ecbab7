"""The `cocotb` link: the decoder's RTL in any cocotb simulator, a process of its own behind a socket."""

from bridge.links.cosim.link import CocotbLink

__all__ = ["CocotbLink"]
