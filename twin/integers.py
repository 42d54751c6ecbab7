"""Integers that every JSON reader keeps: browsers, Node and jq read numbers as doubles (RFC 7493, section 2.2)."""

from __future__ import annotations

import secrets

EXACT_BITS = 53
INTEGER_LIMIT: int = 2**EXACT_BITS
"""Integers in requests and answers stay below this in size."""


def new_seed() -> int:
    """A seed that nobody gave; it can be given back, whatever reads it."""
    return secrets.randbits(EXACT_BITS)
