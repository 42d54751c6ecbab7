"""The `faulty` link: any other link, with what goes wrong on the way to a board."""

from bridge.links.faulty.line import FaultyLine
from bridge.links.faulty.link import FaultyLink
from bridge.links.faulty.options import BYTE_FAULTS, FaultOptions, fault_options

__all__ = ["BYTE_FAULTS", "FaultOptions", "FaultyLine", "FaultyLink", "fault_options"]
