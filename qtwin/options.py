"""Options that can be judged before anything is started: what is wrong with each, by the name that the user wrote.

The limits are those of the twin, the decoders and the links; only what they call a field is put into an option's words.
Everything large is imported where it is needed: a wrong number is told at once.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError

from bridge.decoder_names import UNION_FIND, check_decoder_name, core_and_choices
from bridge.errors import BridgeError
from bridge.files import check_can_make, check_can_write
from bridge.links import check_link
from bridge.noise import noise_body
from bridge.suggestions import did_you_mean
from hdl.compile.decoder import CORES
from hdl.compile.formulas import Memory, has_formulas
from hdl.compile.manifest import MAX_CLOCK_MHZ, NAME, DecoderFolder, written_code, written_content
from hdl.compile.table_core import check_table_size
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.design import language_of
from hdl.errors import HdlError
from qtwin.console import print_error
from qtwin.terminal import Console
from twin.errors import InvalidError, TwinError
from twin.qec.codes import build_code
from twin.qec.errors import SessionSpecError
from twin.qec.spec import SessionSpec
from twin.settings import ENVIRONMENT_PREFIX, Limits, Settings, default_config_dir

USAGE = 2
"""Exit code of a command whose options are at fault, as typer has it."""
SOFTWARE = ("pymatching", "sinter")
Faults = Iterator[str]
Named = Callable[[str], str]
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "code_family": "code",
        "code_distance": "distance",
        "rounds": "rounds",
        "basis": "basis",
        "seed": "seed",
        "shots": "shots",
    }
)
"""Field of a session -> option."""
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "greater_than_equal": "expected at least {ge}",
        "less_than_equal": "expected at most {le:,}",
        "less_than": "expected less than {lt:,}",
        "literal_error": "expected {expected}",
    }
)
"""pydantic's name of a fault -> the same in the words of an option."""


@dataclass(frozen=True, slots=True)
class Session:
    """Options that say which session. rounds, basis, backend: None where they are not given."""

    code: str
    distance: int
    rounds: int | None = None
    basis: str = "Z"
    noise: str = "device"
    backend: str | None = None
    seed: int = 1
    shots: int = 1

    @property
    def num_rounds(self) -> int:
        """Rounds of a memory; as many as the distance where nothing else was said."""
        return self.distance if self.rounds is None else self.rounds


def board_faults(board: str, clock_mhz: float | None = None, name: str = "--board") -> Faults:
    """No such board, or none of its clocks."""
    from hdl.boards.board import boards, find_board

    try:
        found = find_board(board)
    except HdlError as error:
        yield f"{name}: {error}{did_you_mean(board, boards())}"
        return
    with _told("--clock: ") as told:
        found.clock(clock_mhz)
    yield from told


def choice_faults(value: str, choices: Sequence[str], name: str) -> Faults:
    """None of the choices."""
    if value not in choices:
        yield f"{name} {value!r}: expected {' or '.join(choices)}{did_you_mean(value, choices)}"


def option(name: str) -> str:
    """An option as it is written."""
    return f"--{name.replace('_', '-')}"


def session_faults(session: Session, url: str | None, named: Named = option) -> Faults:
    """What a twin would refuse of a session; of one at `url`, which may have devices of its own, the backend is left.

    named: how the user wrote each of these options.
    """
    body = {field: getattr(session, name) for field, name in FIELDS.items()}
    with _told(named("noise").removesuffix("noise")) as told:
        noise_body(session.noise)
    yield from told
    try:
        SessionSpec.from_body({"backend_id": session.backend or "any", **body})
    except SessionSpecError as error:
        details = error.__cause__.errors() if isinstance(error.__cause__, ValidationError) else []
        yield from (_field_fault(fault, named) for fault in details)
    if url is not None:
        return
    if session.shots > Limits().max_session_shots:
        yield f"{named('shots')} {session.shots}: expected at most {Limits().max_session_shots:,}, for one session"
    if session.backend is not None:
        from twin.device.catalog import DeviceCatalog

        yield from backend_faults(session.backend, DeviceCatalog.load(default_config_dir()).devices, named)


def examined_faults(decoder: str, asked: Mapping[str, str | int | None], noise: str, seed: int) -> Faults:
    """What is asked of the memory that a decoder is examined on. asked: None for what the decoder's manifest says."""
    try:
        written = written_code(Path(decoder)) if Path(decoder).exists() else {}
    except HdlError:  # which is told as the decoder's fault
        return
    said = {"code": written.get("family"), **{name: written.get(name) for name in ("distance", "rounds", "basis")}}
    defaults: dict[str, Any] = {"code": "surface", "distance": 3, "basis": "Z"}
    chosen = {**said, **{name: value for name, value in asked.items() if value is not None}}
    memory = {**defaults, **{name: value for name, value in chosen.items() if value is not None}}
    yield from session_faults(Session(**memory, noise=noise, seed=seed), None)


def backend_faults(backend: str, known: Iterable[str], named: Named = option) -> Faults:
    """A backend that the twin does not have."""
    known = sorted(known)
    if backend not in known:
        yield (
            f"{named('backend')}: there is no backend {backend!r}; there are: {', '.join(known)}"
            f"{did_you_mean(backend, known)}"
        )


def _field_fault(fault: Mapping[str, Any], named: Named) -> str:
    """A field's fault; only those that are options can be at fault."""
    return f"{named(FIELDS[str(fault['loc'][0])])} {fault['input']!r}: {in_words(fault)}"


def in_words(fault: Mapping[str, Any]) -> str:
    """What pydantic expected."""
    text: str = WORDS[fault["type"]].format(**fault["ctx"]) if fault["type"] in WORDS else fault["msg"]
    return text.removeprefix("Value error, ")


SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "num_workers": "workers",
        "upstreams": "upstream",
        "cors_origins": "cors_origin",
        "trusted_proxies": "trusted_proxy",
    }
)
"""Setting of a twin -> option, where that is called otherwise."""


def setting_faults(given: Mapping[str, object], tls: Sequence[Path | None]) -> Faults:
    """What a twin's settings would refuse, from options or from the environment, and files that are not there."""
    try:
        Settings.from_env(None, **given)
    except InvalidError as error:
        for fault in error.faults:
            name = str(fault.loc[0]) if fault.loc else ""
            where = f"{option(SETTINGS.get(name, name))} (or {ENVIRONMENT_PREFIX}{name.upper()}): " if name else ""
            yield f"{where}{fault.message}"
    data = given.get("data_dir")
    if isinstance(data, Path):
        yield from folder_faults(data.expanduser(), "--data-dir")
    folder = given.get("config_dir")
    if isinstance(folder, Path) and not folder.is_dir():
        yield f"--config-dir: there is no folder {folder}"
    for name, file in zip(("--tls-cert", "--tls-key"), tls, strict=True):
        if file is not None and not file.exists():
            yield f"{name}: there is no file {file}"


def core_faults(name: str, asked: Mapping[str, Any]) -> Faults:
    """No such core, or choices that it does not have. asked: by their names in `UnionFindOptions`."""
    with _told("--core: ") as told:
        core, chosen = core_and_choices(name)
        if core not in CORES:
            yield f"--core: there is no core {core!r}: expected {' or '.join(CORES)}{did_you_mean(core, CORES)}"
        elif core != UNION_FIND:
            yield from (f"{option(each)}: a choice of the union-find core; a {core} has none" for each in asked)
        else:
            _ = UnionFindOptions(**{**chosen, **asked})
    at_fault = [option(each) for each in asked if told and each in told[0]]
    yield from (fault.replace("--core", at_fault[0]) if at_fault else fault for fault in told)


def name_faults(name: str | None) -> Faults:
    """A name that no manifest may have."""
    if name is not None and not re.fullmatch(NAME, name):
        yield f"--name {name!r}: expected letters, digits and _ . + - without spaces, the first a letter or a digit"


def stream_faults(style: str, stream: bool, rtl: Sequence[str], top: str | None) -> Faults:
    """What goes with a stream of its own only, and RTL that is not there."""
    if stream and style not in ("core", "stream"):
        yield f"--stream with --style {style}: name one of them"
    if rtl and not (stream or style == "stream"):
        yield "--rtl: only with --stream; a decoder that speaks qds1 starts from `qtwin decoder new` without it"
    if top is not None and not rtl:
        yield "--top: only with --rtl"
    for name in rtl:
        if not Path(name).expanduser().is_file():
            yield f"--rtl {name}: there is no such file"
        elif language_of(Path(name)) is None:
            yield f"--rtl {name}: expected Verilog (.v, .sv), VHDL (.vhd, .vhdl) or C for DPI-C (.c, .cpp)"


def clock_faults(clock_mhz: float) -> Faults:
    """A clock that no manifest may have."""
    if not 0 < clock_mhz <= MAX_CLOCK_MHZ:
        yield f"--clock-mhz {clock_mhz:g}: expected more than 0 and at most {MAX_CLOCK_MHZ:g}"


def decoder_faults(decoder: str, session: Session | None = None, named: Named = option) -> Faults:
    """No such decoder, choices that it does not have, or one that is too large for the session, or for another."""
    with _told(f"{named('decoder')}: ") as told:
        check_decoder_name(decoder)
        if Path(decoder).exists():
            memory = None if session is None else Memory(session.distance, session.num_rounds)
            if session is not None or not has_formulas(written_content(Path(decoder))):
                yield from _misfits(DecoderFolder(Path(decoder), memory), session, named)
        elif decoder.startswith("sinter:"):
            from bridge.sinter_import import sinter_decoder

            sinter_decoder(decoder)
        elif decoder != "pymatching":
            core, chosen = core_and_choices(decoder)
            if core == UNION_FIND:
                UnionFindOptions(**chosen)  # type: ignore[arg-type]
            elif session is not None and not any(session_faults(session, "")):
                with _told(f"{named('distance')} {session.distance} with {named('decoder')} {decoder}: ") as too_large:
                    code = build_code(session.code, session.distance, session.basis)
                    check_table_size(len(code.basis_stabilizers), session.num_rounds + 1)
                yield from too_large
    yield from told


def _misfits(folder: DecoderFolder, session: Session | None, named: Named) -> Faults:
    """Where the manifest says what memory it is for, and that is not the session's."""
    if session is None:
        return
    manifest = folder.manifest
    made_for = {"family": "code", "distance": "distance", "basis": "basis"}
    if not manifest.options.get("window"):
        made_for["rounds"] = "rounds"
    for key, name in made_for.items():
        asked = session.num_rounds if name == "rounds" else getattr(session, name)
        if key in manifest.code and str(manifest.code[key]) != str(asked):
            yield (
                f"{named(name)} {asked!r}: the decoder {manifest.name} ({folder.path}) was made for another problem: "
                f"{name} {manifest.code[key]}, not {asked}; take that, or compile it for this one"
            )


def link_faults(link: str | None, decoder: str | None, named: Named = option, *, is_here: bool = True) -> Faults:
    """No such link, a port that is not here, or one that the decoder, if it is one, cannot be reached by."""
    if link is None:
        return
    with _told(f"{named('link')}: ") as told:
        check_link(link, is_here=is_here)
    if not told and decoder is not None and is_software(decoder) and link.rpartition("/")[2] != "software":
        told.append(
            f"{named('link')} {link}: the decoder {decoder} is software, there is no RTL to reach; "
            f"use {named('link')} software"
        )
    yield from told


def rtl_faults(decoder: str, trace: int | None, shots: int, adaptive: bool) -> Faults:
    """What needs RTL, or weights that can be changed, of a decoder that has none."""
    if trace is not None and not 0 <= trace < shots:
        yield f"--trace {trace}: expected a shot of the run, 0 to {shots - 1}"
    elif trace is not None and is_software(decoder):
        yield f"--trace {trace}: the decoder {decoder} is software, which has no waveform"
    if adaptive and not _is_loadable(decoder):
        yield (
            f"--adaptive: the weights of {decoder} cannot be changed while it runs; use --decoder union-find:loadable, "
            "or qtwin compile --core union-find --loadable"
        )


def rtl_only_faults(decoder: str, name: str = "--decoder") -> Faults:
    """A decoder that is put on a board, or examined, and has no RTL."""
    if is_software(decoder):
        yield f"{name}: the decoder {decoder} is software, there is no RTL; take table or union-find, or a folder"


def is_software(decoder: str) -> bool:
    """Whether a decoder of this name has no RTL."""
    return decoder.partition(":")[0] in SOFTWARE and not Path(decoder).exists()


def _is_loadable(decoder: str) -> bool:
    """Also of a decoder that is at fault otherwise: that is told elsewhere."""
    try:
        if Path(decoder).exists():
            return bool(written_content(Path(decoder)).get("options", {}).get("loadable"))
        return bool(core_and_choices(decoder)[1].get("loadable"))
    except (BridgeError, HdlError):
        return True


def resume_faults(folder: Path, link: str | None) -> Faults:
    """A link over which a run cannot go on; of the folder, what can be told at a glance."""
    if folder.is_file():
        yield f"--resume: {folder} holds no unfinished run: it is a file; name the run's folder"
    elif not folder.is_dir():
        yield f"--resume: {folder} holds no unfinished run: there is no such folder"
    if link is not None:
        with _told("--link: ") as told:
            check_link(link, is_here=True)
        yield from told


def file_faults(json_file: Path | None) -> Faults:
    """A result that could not be kept."""
    if json_file is not None:
        with _told("--json: ") as told:
            check_can_write(json_file)
        yield from told


def folder_faults(folder: Path | None, name: str = "--runs-dir") -> Faults:
    """A folder that could neither be made nor written."""
    if folder is not None:
        with _told(f"{name}: ") as told:
            check_can_make(folder)
        yield from told


def url_faults(url: str | None) -> Faults:
    """What is no address of a twin's gateway."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        is_address = False
    if not is_address:
        yield f"--url {url!r}: expected the address of a running twin, such as http://127.0.0.1:8000"


def scheduler_faults(address: str | None) -> Faults:
    """What is no address of a Dask scheduler."""
    if address is not None and not re.fullmatch(r"(tcp|tls|ws|wss)://\S+:\d{1,5}", address):
        yield f"--scheduler {address!r}: expected a Dask scheduler's address such as tcp://HOST:8786"


def judge(*faults: Iterable[str]) -> None:
    """Say every fault in a line of its own, and end the command; without any, nothing."""
    found = list(dict.fromkeys(fault for each in faults for fault in each))
    for fault in found:
        print_error(Console(stderr=True), fault)
    if found:
        raise typer.Exit(USAGE)


@contextmanager
def _told(prefix: str) -> Iterator[list[str]]:
    """What the block raises of a decoder, a link or a file, as a fault."""
    found: list[str] = []
    try:
        yield found
    except (BridgeError, HdlError, TwinError) as error:
        found.append(f"{prefix}{error}")
