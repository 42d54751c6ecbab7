"""`qtwin selftest`: its options."""

from typing import Annotated

import typer

from qtwin.commands.loop_command import Backend, Basis, Code, Distance, Email, Noise, Password, Rounds, Url
from qtwin.commands.parsing import decoder_name


def selftest(
    link: Annotated[
        str | None,
        typer.Option(help="uart:PORT, pynq, verilated, cocotb, faulty:FAULTS/LINK, …; default: verilated for RTL."),
    ] = None,
    decoder: Annotated[
        str,
        typer.Option(
            help="What should be there: table, union-find, …, or the path of a decoder.yaml.",
            parser=decoder_name,
            metavar="<str>",
        ),
    ] = "table",
    code: Code = "surface",
    distance: Distance = 3,
    rounds: Rounds = None,
    basis: Basis = "Z",
    noise: Noise = "device",
    backend: Backend = None,
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Check a board, or any decoder over any link, stage by stage; says what failed and what to do.

    The code, distance, rounds, basis and noise say which decoder should be there, as they do for `qtwin board`.
    """
    from qtwin.options import Session, decoder_faults, judge, link_faults, session_faults

    session = Session(code, distance, rounds, basis, noise, backend)
    judge(
        session_faults(session, url),
        decoder_faults(decoder, session),
        link_faults(link, decoder),
    )
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
