"""Tells systemd where this process stands: what `sd_notify` does, in the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import socket

import structlog

log = structlog.get_logger(__name__)


def tell_service_manager(state: str) -> None:
    """Send `READY=1` or `STOPPING=1` to the socket that `NOTIFY_SOCKET` names; nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(1.0)
            sender.sendto(state.encode(), address.replace("@", "\0", 1))
    except OSError as error:  # the twin serves all the same
        log.warning("cannot tell the service manager", state=state, reason=str(error))
