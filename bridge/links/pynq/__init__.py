"""The `pynq` link: a decoder on a PYNQ board, on the board itself, from a host, or against a simulated board.

Nothing here imports pynq before it is needed: the import takes seconds, and fixes whether boards are remote.
"""

from bridge.links.pynq.link import PynqLink

__all__ = ["PynqLink"]
