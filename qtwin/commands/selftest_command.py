"""`qtwin selftest`: its options."""

from typing import Annotated

import typer

from qtwin.commands.loop_command import Email, Password, Url


def selftest(
    link: Annotated[
        str | None,
        typer.Option(help="uart:PORT, pynq, verilated, cocotb, faulty:FAULTS/LINK, …; default: verilated for RTL."),
    ] = None,
    decoder: Annotated[
        str, typer.Option(help="What should be there: table, union-find, …, or the path of a decoder.yaml.")
    ] = "table",
    code: Annotated[str, typer.Option(help="surface (rotated) or repetition.")] = "surface",
    distance: Annotated[int, typer.Option(help="Code distance.")] = 3,
    rounds: Annotated[int | None, typer.Option(help="Rounds of a memory; default: the distance.")] = None,
    basis: Annotated[str, typer.Option(help="Z or X.")] = "Z",
    noise: Annotated[str, typer.Option(help="device, or uniform:P for circuit noise of probability P.")] = "device",
    backend: Annotated[str | None, typer.Option(help="Backend; default: one that fits the code.")] = None,
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Check a board, or any decoder over any link, stage by stage; says what failed and what to do.

    The code, distance, rounds, basis and noise say which decoder should be there, as they do for `qtwin board`.
    """
    from bridge.loop import LoopSettings
    from qtwin.loops import TwinChoice
    from qtwin.selftests import selftest_link

    settings = LoopSettings(
        decoder=decoder,
        link=link,
        code=code,
        distance=distance,
        rounds=distance if rounds is None else rounds,
        basis=basis,
        noise=noise,
    )
    if not selftest_link(settings, backend, TwinChoice(url, email, password)):
        raise typer.Exit(1)
