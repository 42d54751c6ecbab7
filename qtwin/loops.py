"""Runs the closed loop for the command line: finds the twin, shows progress, writes the report."""

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import typer
from filelock import FileLock, Timeout

from bridge.checkpoint import Checkpoint, Saved
from bridge.errors import BridgeError, LoopError
from bridge.loop import LoopRun, LoopSettings, run_loop
from bridge.report import result, write_json, write_report
from qtwin.console import ProgressWatcher, print_error, print_run
from qtwin.embedded import EmbeddedTwinError, TwinAddress, embedded_twin
from qtwin.interrupts import Interrupted, held
from qtwin.options import backend_faults, judge
from qtwin.terminal import Console
from twin.client import TwinClient, TwinError

DEMO_SEED = 20240501
SMALL_BACKEND = {"repetition": "repetition29_like", "surface": "surface17_like"}
TWIN_FOLDER = "twin"
LARGE_BACKEND = "willow_like"
LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class TwinChoice:
    """Which twin to use: a running one, or without a URL one of our own."""

    url: str | None = None
    email: str = ""
    password: str | None = None


def loop_once(
    settings: LoopSettings, backend_id: str | None, twin_choice: TwinChoice, runs_dir: Path, json_file: Path | None
) -> bool:
    """Run once; returns whether it went through. A backend of None takes one that fits the code."""
    settings = replace(settings, backend_id=backend_id or default_backend(settings.code, settings.distance))
    console, errors = Console(), Console(stderr=True)
    with (
        one_message(errors),
        twin_and_folder(twin_choice, settings.backend_id, lambda: _report_folder(runs_dir, settings)) as (twin, folder),
    ):
        run = _run(settings, twin, folder, console, errors, twin_comes_back=twin_choice.url is not None)
        if json_file is not None:
            write_json(json_file, result(run))
    return run.error is None


def resume_run(folder: Path, link: str | None, twin_choice: TwinChoice, json_file: Path | None) -> bool:
    """Go on with the run whose report folder this is; returns whether it went through. A link of None: as before."""
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        saved = Checkpoint.load(folder)
        settings = saved.settings if link is None else replace(saved.settings, link=link)
        own_twin = next((place for place in (folder, folder.parent) if (place / TWIN_FOLDER).is_dir()), None)
        if twin_choice.url is None and own_twin is None:
            raise LoopError(f"{folder} holds no twin of its own; name the one that it ran against with --url")
        with _alone(folder), reach_twin(twin_choice, own_twin or folder) as twin:
            saved = Checkpoint.load(folder)  # another may have gone on with it since
            is_served = twin_choice.url is not None
            run = _run(settings, twin, folder, console, errors, saved, twin_comes_back=is_served)
            if json_file is not None:
                write_json(json_file, result(run))
    return run.error is None


def demo_runs(shots: int, runs_dir: Path) -> bool:
    """Repetition d=3 and surface d=3 through RTL; returns whether both went through."""
    console, errors = Console(), Console(stderr=True)
    whole = True
    with (
        one_message(errors),
        gone_if_useless(lambda: new_folder(runs_dir, "demo")) as folder,
        reach_twin(TwinChoice(), folder) as twin,
    ):
        for code in ("repetition", "surface"):
            settings = LoopSettings(
                code=code, backend_id=default_backend(code, 3), shots=shots, seed=DEMO_SEED, link="verilated"
            )
            run = _run(settings, twin, folder / code, console, errors, twin_comes_back=False)
            whole = whole and run.error is None
    return whole


def _run(
    settings: LoopSettings,
    twin: TwinClient,
    folder: Path,
    console: Console,
    errors: Console,
    saved: Saved | None = None,
    *,
    twin_comes_back: bool,
) -> LoopRun:
    folder.mkdir(parents=True, exist_ok=True)
    with _resumable(folder), ProgressWatcher(errors) as watcher:
        run = run_loop(settings, twin, watcher, folder, saved, twin_comes_back=twin_comes_back)
        watcher.stage("writing the report")
        write_report(run, folder)
    print_run(console, run)
    if run.telemetry is not None:
        console.print(
            f"/telemetry/qec of job {run.setup.job_id if run.setup else '-'}: "
            f"metric_source = {run.telemetry['metric_source']}",
            soft_wrap=True,
        )
    if run.error is not None:
        done = run.setup.tally.num_shots if run.setup else 0
        print_error(errors, f"{run.error}\nStopped after {done:,} of {settings.shots:,} shots.{_how_to_go_on(folder)}")
    if run.trace_file is not None:
        console.print(f"waveform: {run.trace_file}", highlight=False, soft_wrap=True)
    console.print(f"report: {folder}/", highlight=False, soft_wrap=True)
    return run


def default_backend(code: str, distance: int) -> str:
    """A shipped backend with room for the code."""
    return LARGE_BACKEND if code == "surface" and distance > 3 else SMALL_BACKEND.get(code, LARGE_BACKEND)


def _report_folder(runs_dir: Path, settings: LoopSettings) -> Path:
    """A new folder named for the time and the run."""
    path = Path(settings.decoder)
    decoder = path.resolve().parent.name if path.is_file() else path.name.replace(":", "-")
    return new_folder(runs_dir, f"{decoder}-{settings.code}-d{settings.distance}")


def new_folder(runs_dir: Path, name: str) -> Path:
    """A folder that was not there; raises LoopError where none can be made."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = runs_dir / (f"{stamp}-{name}" + (f"-{attempt}" if attempt else ""))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise LoopError(
                f"cannot make a folder for the report in {runs_dir}: {error.strerror}; name another with --runs-dir"
            ) from error
        return folder
    raise LoopError(f"no free name for a report in {runs_dir}")


@contextmanager
def reach_twin(choice: TwinChoice, folder: Path) -> Iterator[TwinClient]:
    """A client that is logged in, at a running twin or at one of our own."""
    if choice.url is None:
        with embedded_twin(folder / TWIN_FOLDER) as address, _client(address) as client:
            yield client
        return
    if choice.password is None:
        raise typer.BadParameter("set QTWIN_PASSWORD, or give --password, for the twin at --url")
    with _client(TwinAddress(choice.url, choice.email, choice.password)) as client:
        yield client


@contextmanager
def twin_and_folder(
    choice: TwinChoice, backend_id: str | None, new_folder: Callable[[], Path]
) -> Iterator[tuple[TwinClient, Path]]:
    """A twin, and a folder that is made for the run once it is sure that the twin is there and has the backend."""
    if choice.url is None:
        with gone_if_useless(new_folder) as folder, _alone(folder), reach_twin(choice, folder) as twin:
            yield twin, folder
        return
    with reach_twin(choice, Path()) as twin:
        if backend_id is not None:
            judge(backend_faults(backend_id, [str(each["backend_id"]) for each in twin.backends()["backends"]]))
        with gone_if_useless(new_folder) as folder, _alone(folder):
            yield twin, folder


@contextmanager
def gone_if_useless(new_folder: Callable[[], Path]) -> Iterator[Path]:
    """A folder made for this run, taken away again if the run is stopped with nothing of its own in there."""
    folder: Path | None = None
    try:
        with held():
            folder = new_folder()
        yield folder
    except (KeyboardInterrupt, Interrupted):
        if folder and all(_is_scaffolding(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_scaffolding(file: Path) -> bool:
    return file.parts[0] == TWIN_FOLDER or file.name == LOCK_FILE


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While a run is in its folder, no other goes on with it; raises LoopError."""
    try:
        lock = FileLock(folder / LOCK_FILE).acquire(timeout=0)
    except Timeout as error:
        raise LoopError(f"another `qtwin loop` is running in {folder}; wait for it, or start a new run") from error
    with lock:
        yield


@contextmanager
def _client(address: TwinAddress) -> Iterator[TwinClient]:
    with TwinClient(address.url, address.email, address.password) as client:
        client.login()
        yield client


def _how_to_go_on(folder: Path) -> str:
    return f" Go on with: qtwin loop --resume {shlex.quote(str(folder))}" if Checkpoint.is_in(folder) else ""


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Ctrl-C stops a run with a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        how = _how_to_go_on(folder)
        raise Interrupted(f"interrupted.{how}" if how else "interrupted") from interrupt


@contextmanager
def one_message(errors: Console) -> Iterator[None]:
    """Whatever stops the command, say it once and exit with 1."""
    try:
        yield
    except (BridgeError, TwinError, EmbeddedTwinError, OSError) as error:
        print_error(errors, error)
        raise typer.Exit(1) from error
