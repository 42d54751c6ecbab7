"""`qtwin board`: its options. A simulated board with the decoder's RTL behind it, until it is stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from qtwin.commands.loop_command import Backend, Basis, Code, Distance, Email, Noise, Password, Rounds, Url
from qtwin.commands.parsing import decoder_name

LOCAL = "127.0.0.1"


def zynq_board_faults(name: str) -> Iterator[str]:
    """No such board, or none that can be used."""
    from bridge.suggestions import did_you_mean
    from hdl.boards.vivado.board import boards, find_board
    from hdl.errors import HdlError

    try:
        find_board(name)
    except HdlError as error:
        yield f"--board: {error}{did_you_mean(name, boards())}"


def board(
    uart: Annotated[bool, typer.Option("--uart", help="A serial port (a pseudo-terminal).")] = False,
    pynq: Annotated[bool, typer.Option("--pynq", help="A PYNQ board.")] = False,
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
    port: Annotated[Path | None, typer.Option(help="--uart: also make a symbolic link to the port here.")] = None,
    clocks_per_bit: Annotated[
        int, typer.Option(help="--uart: clock cycles of a bit; fewer simulate faster.", min=4, max=4096)
    ] = 16,
    gates: Annotated[
        str | None,
        typer.Option(
            help="--uart: simulate the gates of this board's bitstream (ulx3s, hx8k, or a folder), not the RTL; slow."
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            help="--pynq: pynq_z2 (the default), zcu104, kv260, rfsoc4x2, zcu216, or a .yaml that describes a board.",
            metavar="<str>",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(help="--pynq: version of PYNQ.remote that the board speaks as, 4.0 or 3.1.", metavar="<str>"),
    ] = None,
    address: Annotated[
        str, typer.Option(help="--pynq: IP address to serve on, or unix:PATH; the port is PYNQ.remote's, 7967.")
    ] = LOCAL,
    simulator: Annotated[
        str, typer.Option(help="--pynq: verilated (fast), or verilator or icarus for a cocotb simulation.")
    ] = "verilated",
    overlay: Annotated[
        Path | None,
        typer.Option(help="--pynq: folder for decoder.bit and decoder.hwh; default: in the decoder's folder."),
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option(help="--pynq: write the Vivado project for the real board to this folder, and stop."),
    ] = None,
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Serve a simulated board with a decoder's RTL behind it, until Ctrl-C.

    The code, distance, rounds, basis and noise say which decoder to compile, as they do for `qtwin loop`; they are not
    needed with the path of a decoder.
    """
    if uart == pynq:
        raise typer.BadParameter("say which board: --uart or --pynq")
    from bridge.boards.pynq import SERVERS, SIMULATORS
    from hdl.boards.vivado.board import DEFAULT_BOARD
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

    of_uart = {"--port": port, "--gates": gates}
    of_pynq = {
        "--board": board,
        "--server": server,
        "--overlay": overlay,
        "--project": project,
        "--address": None if address == LOCAL else address,
    }
    others = [
        (name, "--uart" if pynq else "--pynq")
        for name, value in (of_uart if pynq else of_pynq).items()
        if value is not None
    ]
    session = Session(code, distance, rounds, basis, noise, backend)
    judge(
        () if gates is None else board_faults(gates, name="--gates"),
        () if board is None else zynq_board_faults(board),
        () if server is None else choice_faults(server, SERVERS, "--server"),
        choice_faults(simulator, SIMULATORS, "--simulator"),
        session_faults(session, url),
        decoder_faults(decoder, None if Path(decoder).exists() else session),
        rtl_only_faults(decoder),
        folder_faults(overlay, "--overlay"),
        folder_faults(project, "--project"),
        (f"{name}: is for {of}, not for this board" for name, of in others),
    )
    from bridge.loop import LoopSettings
    from qtwin.boards import ServedBoard, serve_pynq, serve_uart, write_pynq_project
    from qtwin.loops import TwinChoice

    settings = LoopSettings(
        decoder=decoder,
        code=code,
        distance=distance,
        rounds=distance if rounds is None else rounds,
        basis=basis,
        noise=noise,
    )
    if pynq and project is not None:
        write_pynq_project(settings, backend, TwinChoice(url, email, password), board or DEFAULT_BOARD, project)
        return
    if pynq:
        served = ServedBoard(board or DEFAULT_BOARD, address, simulator, overlay, server or SERVERS[0])
        serve_pynq(settings, backend, TwinChoice(url, email, password), served)
        return
    serve_uart(settings, backend, TwinChoice(url, email, password), port, clocks_per_bit, gates)
