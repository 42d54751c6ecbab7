"""A job's result as it is kept: JSON, compressed where it is large, and handed out in pieces.

To copy or to read hundreds of megabytes at once holds Python's lock, and with it every other request.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

PACKED_FROM_BYTES = 2**20
PIECE_BYTES = 2**18
_GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1; a JSON document begins with a brace
_GZIP_WBITS = 31  # zlib's word for a stream with gzip's header and trailer
_SNAPSHOT_ID = re.compile(rb'"snapshot_id":"([^"\\]+)"')


def packed(document: bytes) -> bytes:
    """The result as it is stored: itself, or as a gzip stream."""
    if len(document) < PACKED_FROM_BYTES:
        return document
    return zlib.compress(document, level=1, wbits=_GZIP_WBITS)


def is_packed(stored: bytes) -> bool:
    return stored.startswith(_GZIP_MAGIC)


def size_of(stored: bytes) -> int:
    """Bytes of the JSON, below 2^32: the last four of a gzip stream say it (RFC 1952, section 2.3.1, ISIZE)."""
    return int.from_bytes(stored[-4:], "little") if is_packed(stored) else len(stored)


def pieces(stored: bytes) -> Iterator[bytes]:
    """The JSON, a piece at a time."""
    if not is_packed(stored):
        yield from (stored[start : start + PIECE_BYTES] for start in range(0, len(stored), PIECE_BYTES))
        return
    unpacker = zlib.decompressobj(_GZIP_WBITS)
    view = memoryview(stored)
    for start in range(0, len(view), PIECE_BYTES):
        waiting: bytes | memoryview = view[start : start + PIECE_BYTES]
        while piece := unpacker.decompress(waiting, PIECE_BYTES):
            yield piece
            waiting = unpacker.unconsumed_tail
    if rest := unpacker.flush():
        yield rest


def snapshot_id_of(stored: bytes) -> str | None:
    """The noise that the job ran under, which its result tells before its circuits."""
    found = _SNAPSHOT_ID.search(next(pieces(stored), b""))
    return found[1].decode() if found else None
