"""Prunes what a data folder or database keeps, for the command line."""

import contextlib
from pathlib import Path

from rich.table import Table

from qtwin.terminal import Console
from twin import clock
from twin.errors import Fault, InvalidError
from twin.retention import count, free_bytes, prune
from twin.retention import vacuum as give_room_back
from twin.secret_files import lock_data
from twin.settings import Settings
from twin.store.database import Database
from twin.users import open_kept

MIB = 2**20


def prune_kept(data_dir: Path, database_url: str | None, older_than: str, *, dry_run: bool, vacuum: bool) -> None:
    """Raises InvalidError for an age that is none, ConflictError to `vacuum` beside a twin, UnavailableError."""
    settings = Settings.from_env(data_dir=data_dir, database_url=database_url)
    cutoff = clock.now() - _age_s(older_than)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(open_kept(settings))
        if vacuum:
            _check_vacuum(database, dry_run)
            stack.callback(lock_data(settings.data_dir).release)
        found = count(database, cutoff) if dry_run else prune(database, cutoff)
        _show(found, "would be deleted" if dry_run else "deleted", cutoff)
        if vacuum:
            give_room_back(database)
            Console().print("the free room was given back to the disk", highlight=False)
        elif (free := free_bytes(database)) >= MIB:
            Console().print(
                f"{free / MIB:.1f} MiB of the database's file are free for what comes; to give them back to the disk, "
                "stop the twin and add --vacuum",
                highlight=False,
            )


def _age_s(older_than: str) -> float:
    try:
        age_s = clock.parse_duration(older_than)
        clock.to_text(clock.now() - age_s)  # a time that there is
        return age_s
    except OverflowError as error:
        raise InvalidError(f"--older-than: {older_than} is longer than a date can say") from error
    except ValueError as error:
        raise InvalidError(f"--older-than: {error}", [Fault(("older_than",), str(error))]) from error


def _check_vacuum(database: Database, dry_run: bool) -> None:
    if dry_run:
        raise InvalidError("--vacuum changes the file, --dry-run changes nothing: give one of them")
    if database.is_shared:
        raise InvalidError("--vacuum is for SQLite; PostgreSQL's autovacuum does it by itself")


def _show(found: dict[str, int], what: str, cutoff: float) -> None:
    table = Table("ended before " + clock.to_text(cutoff)[:19] + "Z", what)
    for name, number in found.items():
        table.add_row(name, str(number))
    Console().print(table)
