"""`qtwin prune`: delete what has ended and is old."""

from pathlib import Path
from typing import Annotated

import typer

from qtwin.commands.serve_command import DatabaseUrl, DataDir
from qtwin.terminal import Console

OlderThan = Annotated[
    str, typer.Option(envvar="QTWIN_RETENTION", help="Age since the end, such as 90s, 45m, 12h, 30d or 2w.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")]
Vacuum = Annotated[
    bool, typer.Option("--vacuum", help="Also give SQLite's free room back to the disk; the twin must be stopped.")
]


def prune(
    older_than: OlderThan,
    dry_run: DryRun = False,
    vacuum: Vacuum = False,
    data_dir: DataDir = Path("data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Delete jobs with their results, sessions, events and the like that ended before that, for good.

    A twin may be running on them. Jobs that wait or run, sessions that live, what these name, and users stay.
    """
    from qtwin.console import print_error
    from qtwin.pruning import prune_kept
    from twin.errors import TwinError

    try:
        prune_kept(data_dir, database_url, older_than, dry_run=dry_run, vacuum=vacuum)
    except (TwinError, OSError) as error:
        print_error(Console(stderr=True), error)
        raise typer.Exit(1) from error
