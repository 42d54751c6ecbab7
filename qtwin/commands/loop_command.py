"""`qtwin loop` and `qtwin demo`: the closed loop against a running or an embedded twin."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.errors import BridgeError
from bridge.links.base import Deadlines
from bridge.loop import LoopRun, LoopSettings, run_loop
from bridge.report import result, write_json, write_report
from qtwin.console import ProgressWatcher, print_error, print_run
from qtwin.embedded import EmbeddedTwinError, TwinAddress, embedded_twin
from twin.client import TwinClient, TwinError

DEMO_SHOTS = 100_000
DEMO_SEED = 20240501
NATIVE_BACKEND = {"repetition": "repetition29_like", "surface": "surface17_like"}
LARGE_BACKEND = "willow_like"

Url = Annotated[
    str | None, typer.Option(envvar="QTWIN_URL", help="A running twin's gateway; without it a twin is started.")
]
Email = Annotated[str, typer.Option(envvar="QTWIN_EMAIL", help="Login at a running twin.")]
Password = Annotated[
    str | None, typer.Option(envvar="QTWIN_PASSWORD", help="Its password; better in QTWIN_PASSWORD than here.")
]


def loop(
    decoder: Annotated[
        str, typer.Option(help="table, pymatching, or the path of a decoder.yaml (or of its folder).")
    ] = "table",
    link: Annotated[
        str | None, typer.Option(help="software, verilated, cocotb, cocotb:icarus; default: verilated for RTL.")
    ] = None,
    code: Annotated[str, typer.Option(help="surface (rotated) or repetition.")] = "surface",
    distance: Annotated[int, typer.Option(help="Code distance.")] = 3,
    rounds: Annotated[int | None, typer.Option(help="Rounds of a memory; default: the distance.")] = None,
    basis: Annotated[str, typer.Option(help="Z or X.")] = "Z",
    shots: Annotated[int, typer.Option(help="Memories to run.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shots.")] = 1,
    noise: Annotated[str, typer.Option(help="device, or uniform:P for circuit noise of probability P.")] = "device",
    backend: Annotated[str | None, typer.Option(help="Backend; default: one that fits the code.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result alone to this file, too.")] = None,
    trace: Annotated[int | None, typer.Option(help="Record the waveform of this shot (from 0).")] = None,
    chunk: Annotated[int, typer.Option(help="Shots a transfer.", min=1)] = 8192,
    timeout: Annotated[float, typer.Option(help="Seconds that one transfer may take.", min=0.1)] = 120.0,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Run the closed loop once: twin, link, decoder and back; compare with PyMatching on the same shots."""
    settings = LoopSettings(
        decoder=decoder,
        link=link,
        backend_id=backend or _default_backend(code, distance),
        code=code,
        distance=distance,
        rounds=distance if rounds is None else rounds,
        basis=basis,
        shots=shots,
        seed=seed,
        noise=noise,
        chunk_shots=chunk,
        trace_shot=trace,
        deadlines=Deadlines(exchange_s=timeout),
    )
    console, errors = Console(), Console(stderr=True)
    folder = new_report_folder(runs_dir, settings)
    with _one_message(errors), _twin(url, email, password, folder) as twin:
        run = _run(settings, twin, folder, console, errors)
        if json_file is not None:
            write_json(json_file, result(run))
    if run.error is not None:
        raise typer.Exit(1)


def demo(
    shots: Annotated[int, typer.Option(help="Memories of each code.")] = DEMO_SHOTS,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
) -> None:
    """Close the loop twice, repetition d=3 and surface d=3, both through RTL in Verilator."""
    console, errors = Console(), Console(stderr=True)
    folder = _new_folder(runs_dir, "demo")
    failed = False
    with _one_message(errors), _twin(None, "", None, folder) as twin:
        for code in ("repetition", "surface"):
            settings = LoopSettings(
                code=code, backend_id=_default_backend(code, 3), shots=shots, seed=DEMO_SEED, link="verilated"
            )
            run = _run(settings, twin, folder / code, console, errors)
            failed = failed or run.error is not None
    if failed:
        raise typer.Exit(1)


def _run(settings: LoopSettings, twin: TwinClient, folder: Path, console: Console, errors: Console) -> LoopRun:
    folder.mkdir(parents=True, exist_ok=True)
    with ProgressWatcher(errors) as watcher:
        run = run_loop(settings, twin, watcher, folder)
        watcher.stage("writing the report")
        write_report(run, folder)
    print_run(console, run)
    if run.telemetry is not None:
        console.print(
            f"/telemetry/qec of job {run.setup.job_id if run.setup else '-'}: "
            f"metric_source = {run.telemetry['metric_source']}"
        )
    if run.error is not None:
        done = run.setup.tally.num_shots if run.setup else 0
        print_error(errors, f"{run.error}\nStopped after {done:,} of {settings.shots:,} shots.")
    console.print(f"report: {folder}/", highlight=False)
    return run


def _default_backend(code: str, distance: int) -> str:
    return NATIVE_BACKEND.get(code, LARGE_BACKEND) if code == "repetition" or distance <= 3 else LARGE_BACKEND


def new_report_folder(runs_dir: Path, settings: LoopSettings) -> Path:
    """A new folder named for the time and the run."""
    path = Path(settings.decoder)
    decoder = path.resolve().parent.name if path.is_file() else path.name
    return _new_folder(runs_dir, f"{decoder}-{settings.code}-d{settings.distance}")


def _new_folder(runs_dir: Path, name: str) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = runs_dir / (f"{stamp}-{name}" + (f"-{attempt}" if attempt else ""))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"no free name for a report in {runs_dir}")


@contextmanager
def _twin(url: str | None, email: str, password: str | None, folder: Path) -> Iterator[TwinClient]:
    """A client that is logged in, at a running twin or at one of our own."""
    if url is None:
        with embedded_twin(folder / "twin") as address, _client(address) as client:
            yield client
        return
    if password is None:
        raise typer.BadParameter("set QTWIN_PASSWORD, or give --password, for the twin at --url")
    with _client(TwinAddress(url, email, password)) as client:
        yield client


@contextmanager
def _client(address: TwinAddress) -> Iterator[TwinClient]:
    with TwinClient(address.url, address.email, address.password) as client:
        client.login()
        yield client


@contextmanager
def _one_message(errors: Console) -> Iterator[None]:
    """Whatever stops the command, say it once and exit with 1."""
    try:
        yield
    except (BridgeError, TwinError, EmbeddedTwinError, OSError) as error:
        print_error(errors, str(error))
        raise typer.Exit(1) from error
