"""A digest over a long run of bytes that can be put away and taken up again in another process."""

import base64
import hashlib
from typing import Any

BLOCK_BYTES = 1 << 16


class BlockDigest:
    """SHA-256 over the SHA-256 of each 64 KiB of the bytes so far, the last of them shorter.

    (The state of a plain SHA-256 cannot be stored.)
    """

    def __init__(self) -> None:
        self._blocks = b""
        self._rest = b""

    def update(self, data: bytes) -> None:
        """Append bytes; in which pieces they come makes no difference."""
        data = self._rest + data
        whole = len(data) - len(data) % BLOCK_BYTES
        view = memoryview(data)
        self._blocks += b"".join(
            hashlib.sha256(view[start : start + BLOCK_BYTES]).digest() for start in range(0, whole, BLOCK_BYTES)
        )
        self._rest = data[whole:]

    def hexdigest(self) -> str:
        """The digest of everything so far."""
        last = hashlib.sha256(self._rest).digest() if self._rest else b""
        return hashlib.sha256(self._blocks + last).hexdigest()

    def state(self) -> dict[str, str]:
        """What `restored` needs, as JSON."""
        return {"blocks": self._blocks.hex(), "rest": base64.b64encode(self._rest).decode()}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "BlockDigest":
        """The digest that gave `state`."""
        digest = cls()
        digest._blocks = bytes.fromhex(state["blocks"])
        digest._rest = base64.b64decode(state["rest"])
        return digest
