"""Where files of ours go on this machine: the cache, a private temporary folder, and paths that make can take."""

import hashlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path, user_config_path

from hdl.errors import BuildError

CACHE_VARIABLE = "QTWIN_CACHE_DIR"
LONGEST_TEMPORARY = 60
"""Characters that leave room for a socket's name below: a system takes about 100 for its whole path."""
TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
PLAIN = re.compile(r"[A-Za-z0-9_./+@-]+")
"""What make, Verilator and the shell read as one word; no space, nothing beyond ASCII."""
HASH_DIGITS = 16


def cache_folder() -> Path:
    """Where builds are kept: QTWIN_CACHE_DIR, or the user's cache folder, or a private one where that is not writable.

    Raises:
        BuildError: QTWIN_CACHE_DIR begins with a `~` that stands for nothing, or no folder is writable.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return _expanded(chosen)
    usual = _of_user(user_cache_path, "qtwin")
    if usual is not None and _is_writable(usual):
        return usual
    folder = private_folder() / "cache"
    reason = "there is no home folder" if usual is None else f"{usual} cannot be written"
    print(f"qtwin: {reason}; builds are kept in {folder}. {CACHE_VARIABLE} names another folder", file=sys.stderr)
    os.environ[CACHE_VARIABLE] = str(folder)  # for what this process starts, too: it is said once
    return folder


def _expanded(chosen: str) -> Path:
    try:
        return Path(chosen).expanduser().absolute()  # tools run in other folders
    except RuntimeError as error:
        raise BuildError(f"{CACHE_VARIABLE}={chosen}: there is no such home folder; write the whole path") from error


def _of_user(place: Callable[[str], Path], name: str) -> Path | None:
    """A folder below the user's home; None where the user has none: no HOME, and no entry in the list of users."""
    try:
        folder = place(name)
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None  # older versions of platformdirs return `~`


def _is_writable(folder: Path) -> bool:
    """Whether there is, or now is, such a folder to write into. Only trying tells: root may write what it likes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def use_writable_homes() -> None:
    """Send what matplotlib and YoWASP keep in the user's HOME into our cache, where HOME cannot be written.

    For a program's start: matplotlib looks for its folder when it is imported, and complains there. Where there is no
    cache either, it is left to that: not every command needs one.
    """
    homes = {"MPLCONFIGDIR": "matplotlib", "YOWASP_CACHE_DIR": "yowasp"}
    if all(name in os.environ for name in homes):
        return
    places = [_of_user(user_cache_path, "qtwin"), _of_user(user_config_path, "matplotlib")]
    if all(place is not None and _is_writable(place) for place in places):
        return
    if None in places:
        homes["XDG_CACHE_HOME"] = ""  # YoWASP asks for it before it looks at its own variable
    with suppress(BuildError):
        for name, folder in homes.items():
            os.environ.setdefault(name, str(cache_folder() / folder))


def private_folder() -> Path:
    """A folder of this user's own, with a plain path, below the temporary folder.

    Raises:
        BuildError: it cannot be made, or is another user's.
    """
    folder = plain_temporary_folder() / f"qtwin-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise BuildError(f"cannot make the folder {folder}: {error}; set TMPDIR to one that can be written") from error
    # anyone may make this folder before us, or a link by this name, and so choose what we build
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BuildError(
            f"{folder} is not a folder that only this user can enter; remove it, or set TMPDIR to another folder"
        )
    return folder


@cache
def plain_temporary_folder() -> Path:
    """The temporary folder, or where its path is not plain or long one that every system has; raises BuildError."""
    for name in (tempfile.gettempdir(), *TEMPORARY_FOLDERS):
        folder = Path(name).resolve()
        is_fit = is_plain(folder) and len(str(folder)) <= LONGEST_TEMPORARY
        if is_fit and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise BuildError(
        f"no temporary folder can be written and has a path without spaces or accents, of {LONGEST_TEMPORARY} "
        f"characters at most: {', '.join((tempfile.gettempdir(), *TEMPORARY_FOLDERS))}; set TMPDIR to such a one"
    )


def is_plain(path: Path) -> bool:
    """Whether make, Verilator and the shell read this path as one word."""
    return PLAIN.fullmatch(str(path)) is not None


def plain_path(path: Path) -> Path:
    """The path itself, or a plain one to the same file or folder: through a link in the private folder.

    A link is named by a hash of what it stands for, so that there is one for a folder, and all processes share it.
    """
    path = path.absolute()
    if is_plain(path):
        return path
    if path.is_file() and PLAIN.fullmatch(path.name):
        return plain_path(path.parent) / path.name  # one link for all files of a folder
    links = private_folder() / "links"
    links.mkdir(exist_ok=True)
    link = links / _hash(path)
    if not link.is_symlink():
        with suppress(OSError):  # another process tidies up as well
            for stale in links.iterdir():
                if not stale.exists():
                    stale.unlink(missing_ok=True)
        with suppress(FileExistsError):  # made by another process just now
            link.symlink_to(path)
    return link


def plain_build_folder(folder: Path) -> Path:
    """Where to build what belongs into a folder: there, or in an empty private folder where its path is not plain.

    A link will not do: make finds its own folder by its real path.
    """
    if is_plain(folder.resolve()):
        return folder
    builds = private_folder() / "builds"
    builds.mkdir(exist_ok=True)
    return builds / _hash(folder)


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:HASH_DIGITS]
