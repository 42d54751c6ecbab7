"""Serves a twin, a gateway or both for the command line."""

from collections.abc import Mapping
from pathlib import Path

import typer

from qtwin.console import print_error
from qtwin.interrupts import tidying_up
from qtwin.terminal import Console
from twin.errors import TwinError
from twin.serve import Kind, TlsFiles, run
from twin.settings import Settings
from twin.users import FirstAdmin


def serve_until_stopped(
    kind: Kind,
    given: Mapping[str, object],
    host: str,
    port: int,
    tls_pair: tuple[Path, Path] | None,
    ready_file: Path | None,
) -> None:
    """Serve `kind` with settings from the environment, over which `given` wins. tls_pair: certificate and key."""
    console, errors = Console(), Console(stderr=True)
    tls = TlsFiles(*tls_pair) if tls_pair else None

    def announce(actual_port: int, first_admin: FirstAdmin | None) -> None:
        if first_admin is not None and first_admin.password is not None:
            console.print(f"admin {first_admin.email}, password {first_admin.password} (shown only now)", markup=False)
        console.print(f"qtwin {kind}: {'https' if tls else 'http'}://{host}:{actual_port}", highlight=False)

    try:
        settings = Settings.from_env(None, **given)
        with tidying_up(is_needed=False):  # the server takes the signals for as long as it has anything to put away
            run(settings, host=host, port=port, kind=kind, ready=announce, ready_file=ready_file, tls=tls)
    except (TwinError, OSError) as error:
        print_error(errors, error)
        raise typer.Exit(1) from error
