"""Gives a running decoder the weights of another error model, through its registers."""

from collections.abc import Sequence

from bridge.decoders import hash_for
from bridge.errors import LinkError, RegisterError
from bridge.links.base import Link
from hdl.compile.graph import DecodingGraph
from hdl.compile.manifest import DecoderFolder
from hdl.compile.unionfind import weight_writes
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.errors import HdlError
from hdl.registers.map import TABLE_WORDS, Address

WORD_BYTES = 4
MOST_POLLS = 1000


def is_loadable(folder: DecoderFolder | None) -> bool:
    """Whether the decoder takes weights while it runs."""
    return folder is not None and folder.manifest.core == "union-find" and bool(folder.manifest.options.get("loadable"))


def weights_for(folder: DecoderFolder, graph: DecodingGraph) -> list[tuple[int, int]]:
    """What has to be written so that the decoder decodes as one compiled for `graph`.

    Args:
        folder: of the running decoder.
        graph: of the changed error model.

    Returns:
        (word of the core's memory, value) pairs, in order; the last one puts all of them to use.

    Raises:
        LinkError: the decoder's weights are fixed, or `graph` has another structure than the one it was compiled for.
    """
    manifest = folder.manifest
    if not is_loadable(folder):
        raise LinkError(
            f"the decoder {manifest.name} has fixed weights; use --decoder union-find:loadable, "
            "or qtwin compile --core union-find --loadable"
        )
    options = UnionFindOptions(**manifest.options)
    try:
        found = hash_for(graph, options)
    except HdlError as error:
        raise LinkError(
            f"the decoder {manifest.name} cannot have weights of this model, only probabilities may change: {error}"
        ) from error
    if manifest.graph_hash != found:
        raise LinkError(
            f"the decoder {manifest.name} was compiled for graph 0x{manifest.graph_hash or 0:08x}, the new weights are "
            f"for 0x{found:08x}: only probabilities may change, not which errors there are"
        )
    return weight_writes(graph, options)


def write_weights(link: Link, writes: Sequence[tuple[int, int]]) -> None:
    """Write weights through the window that TABLE_PAGE moves, and wait until they are in use.

    Args:
        link: open, with no shot in progress.
        writes: of `weights_for`.

    Raises:
        RegisterError: the decoder refused one, or never took them to use.
    """
    page, address = None, 0
    for word, value in writes:
        if word // TABLE_WORDS != page:
            page = word // TABLE_WORDS
            link.write_register(Address.TABLE_PAGE, page)
        address = Address.TABLE + WORD_BYTES * (word % TABLE_WORDS)
        link.write_register(address, value)
    # The last word reads 1 until the new weights have replaced the old ones; a shot that came before would wait.
    if not any(link.read_register(address) == 0 for _ in range(MOST_POLLS)):
        raise RegisterError(
            f"the decoder still holds back its new weights after {MOST_POLLS} reads of register 0x{address:03x}; "
            "is a shot in progress?"
        )
