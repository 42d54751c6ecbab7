"""Serves a twin, a gateway or both for the command line."""

from collections.abc import Mapping
from pathlib import Path

import typer
from rich.console import Console

from qtwin.console import print_error
from twin.errors import TwinError
from twin.serve import Kind, TlsFiles, run
from twin.settings import Settings
from twin.users import prepare_admin


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

    def announce(actual_port: int) -> None:
        console.print(f"qtwin {kind}: {'https' if tls else 'http'}://{host}:{actual_port}", highlight=False)

    try:
        settings = Settings.from_env(None, **given)
        first = prepare_admin(settings) if kind != "twin" else None
        if first is not None and first.password is not None:
            console.print(f"admin {first.email}, password {first.password} (shown only now)", markup=False)
        run(settings, host=host, port=port, kind=kind, ready=announce, ready_file=ready_file, tls=tls)
    except (TwinError, OSError, ValueError) as error:
        print_error(errors, str(error))
        raise typer.Exit(1) from error
