"""The `uart` link: a decoder on a serial line, a board's or a simulated one's."""

from bridge.links.uart.link import UartLink

__all__ = ["UartLink"]
