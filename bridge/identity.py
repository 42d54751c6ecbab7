"""Meets a decoder that was just reached: refuses one that was made for something else, sets the length of a memory."""

from bridge.decoders import Decoder
from bridge.errors import DecoderMismatchError, RegisterError
from bridge.links.base import Link
from hdl.registers.map import ID_VALUE, VERSION_MAJOR, VERSION_MAJOR_VALUE, Address


def greet_decoder(link: Link, decoder: Decoder) -> None:
    """Check who is at the other end of a link, and tell a decoder for memories of any length how long these are.

    Raises:
        DecoderMismatchError: see `check_identity`. LinkError: a register access failed.
    """
    check_identity(link, decoder.name, decoder.graph_hash)
    options = decoder.options
    if options is not None and options.window:
        link.write_register(Address.ROUNDS, decoder.problem.layout.rounds)


def check_identity(link: Link, name: str, graph_hash: int) -> None:
    """Compare the decoder at the other end of a link with what is asked of it.

    Args:
        link: open.
        name: of the decoder, for messages.
        graph_hash: of the decoding graph that it must have been compiled for.

    Raises:
        DecoderMismatchError: no decoder of ours, another protocol, or another graph; with the remedy.
    """
    try:
        identity = link.read_register(Address.ID)
        version = link.read_register(Address.VERSION)
        found = link.read_register(Address.GRAPH_HASH)
    except RegisterError as error:
        raise DecoderMismatchError(f"the decoder {name} does not tell who it is: {error}") from error
    if identity != ID_VALUE:
        raise DecoderMismatchError(
            f"the decoder {name} has 0x{identity:08x} in its ID register, expected 0x{ID_VALUE:08x} (QDS1)"
        )
    if VERSION_MAJOR.get(version) != VERSION_MAJOR_VALUE:
        raise DecoderMismatchError(
            f"the decoder {name} speaks version {VERSION_MAJOR.get(version)} of the protocol, this qtwin speaks "
            f"{VERSION_MAJOR_VALUE}; compile it again with this qtwin (and load the new bitstream onto a board)"
        )
    if found != graph_hash:
        raise DecoderMismatchError(
            f"the decoder {name} was built for graph 0x{found:08x}, this session has 0x{graph_hash:08x}; "
            "compile it for this code, distance and rounds (and load the new bitstream onto a board)"
        )
