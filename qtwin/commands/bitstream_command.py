"""`qtwin bitstream`: its options. A real board's bitstream with a decoder behind its serial port."""

from pathlib import Path
from typing import Annotated

import typer

from qtwin.commands.loop_command import Backend, Basis, Code, Distance, Email, Noise, Password, Rounds, Url
from qtwin.commands.parsing import LEFT_OUT, Without, decoder_name


def bitstream(
    board: Annotated[
        str, typer.Option(help="arty_a7, colorlight_i5, hx8k, icebreaker, ulx3s, or a folder with a board.yaml.")
    ] = "ulx3s",
    decoder: Annotated[
        str,
        typer.Option(
            help="table, union-find, union-find:3, or the path of a decoder.yaml (or of its folder).",
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
    clock: Annotated[
        float | None, typer.Option(help="The decoder's clock in MHz, one of the board's; default: its first.")
    ] = None,
    without: Without = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: build/BOARD-DECODER.")
    ] = None,
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Build a board's bitstream with Yosys and nextpnr: the decoder on its serial port, with Fmax and utilisation.

    For a board whose bitstreams a vendor's tool makes, its sources are written with a script for that tool.

    The code, distance, rounds, basis and noise say which decoder to compile, as they do for `qtwin loop`; they are not
    needed with the path of a decoder.
    """
    from qtwin.options import (
        Session,
        board_faults,
        choice_faults,
        decoder_faults,
        folder_faults,
        judge,
        rtl_only_faults,
        session_faults,
    )

    session = Session(code, distance, rounds, basis, noise, backend)
    judge(
        board_faults(board, clock),
        session_faults(session, url),
        decoder_faults(decoder, None if Path(decoder).exists() else session),
        rtl_only_faults(decoder),
        [] if without is None else choice_faults(without, LEFT_OUT, "--without"),
        folder_faults(output, "--output"),
    )
    from bridge.loop import LoopSettings
    from qtwin.bitstreams import write_board_bitstream
    from qtwin.loops import TwinChoice

    settings = LoopSettings(
        decoder=decoder,
        code=code,
        distance=distance,
        rounds=distance if rounds is None else rounds,
        basis=basis,
        noise=noise,
    )
    choice = TwinChoice(url, email, password)
    write_board_bitstream(board, settings, backend, choice, clock, output, statistics=without is None)
