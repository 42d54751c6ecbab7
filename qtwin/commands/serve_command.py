"""`qtwin serve`: gateway and twin in one process."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from qtwin.console import print_error
from twin.errors import TwinError
from twin.serve import run
from twin.settings import Settings


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.")] = 8000,
    data_dir: Annotated[Path, typer.Option(help="Where jobs, sessions and users are kept.")] = Path("data"),
    config_dir: Annotated[Path | None, typer.Option(help="YAML files in place of the shipped ones.")] = None,
    database_url: Annotated[str | None, typer.Option(help="SQLAlchemy URL in place of SQLite in the data dir.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Write the port here when ready.", hidden=True)] = None,
    stop_with_stdin: Annotated[bool, typer.Option(help="Stop when standard input closes.", hidden=True)] = False,
) -> None:
    """Serve the twin. The admin comes from QTWIN_ADMIN_EMAIL and QTWIN_ADMIN_PASSWORD."""
    if stop_with_stdin:
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
    try:
        settings = Settings.from_env(data_dir=data_dir, config_dir=config_dir, database_url=database_url)
        run(settings, host=host, port=port, ready_file=ready_file)
    except (TwinError, OSError, ValueError) as error:
        print_error(Console(stderr=True), str(error))
        raise typer.Exit(1) from error


def _stop_when_stdin_closes() -> None:
    import signal

    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
