"""What a decoder counts itself, where it counts."""

from collections.abc import Mapping
from types import MappingProxyType

from bridge.errors import RegisterError
from bridge.links.base import Link
from hdl.registers.map import FEATURES_NO_STATISTICS, Address

COUNTERS: Mapping[str, Address] = MappingProxyType({"stalls": Address.COUNT_STALLS, "faults": Address.COUNT_FAULTS})
"""Counters for reports: cycles in which an input word had to wait, and FAULT messages."""


def read_counters(link: Link) -> dict[str, int | None]:
    """`COUNTERS` by name; None for one that the decoder does not have.

    A decoder that is built without statistics is not asked: on some buses a register that does not exist is a fault.
    A user's RTL may have neither FEATURES nor counters.
    """
    features = read_if_there(link, Address.FEATURES)
    if features is not None and FEATURES_NO_STATISTICS.get(features):
        return dict.fromkeys(COUNTERS)
    return {name: read_if_there(link, address) for name, address in COUNTERS.items()}


def read_if_there(link: Link, address: int) -> int | None:
    """Value of a register; None where there is none."""
    try:
        return link.read_register(address)
    except RegisterError:
        return None
