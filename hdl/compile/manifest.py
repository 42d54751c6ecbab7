"""decoder.yaml: what a decoder is called, where its RTL lies, how it is connected, and what it was compiled for."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hdl.compile.formulas import Memory, has_formulas, memory_of, with_memory
from hdl.design import DATA_REMEDY, Design, Source, data_beyond_files, language_of
from hdl.errors import ManifestError

MANIFEST_NAME = "decoder.yaml"
PROTOCOL = "qds1/1"
STREAM_PROTOCOL = "stream/1"
MAX_CLOCK_MHZ = 2000.0
"""The constant ClockHz is a signed word of 32 bits."""
MAX_CLOCK_RATIO = 16
DATA_FIELDS = ("error_model", "table", "weights")
"""Fields of the manifest that name a file besides the RTL."""
MAX_WORD_BITS = 512
MAX_ANSWER_BITS = 253 * 32
"""A CORRECTION has at most 255 payload words; two of them are its latency and its status."""
MAX_IN_FLIGHT = 4096
DEFAULT_IN_FLIGHT = 16
HEX = re.compile(r"0[xX][0-9a-fA-F_]+")


def _hex_word(value: object) -> object:
    """Accept 0x… text beside a plain integer: YAML keeps a quoted hash as text."""
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return value
    return value


def _ratio(value: object) -> object:
    """2, "1/4" or "3/2" as a fraction."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _ratio_in_bounds(value: Fraction) -> Fraction:
    if not (0 < value.numerator <= MAX_CLOCK_RATIO and value.denominator <= MAX_CLOCK_RATIO):
        raise ValueError(f"expected a ratio such as 2 or 1/4, with numbers from 1 to {MAX_CLOCK_RATIO}")
    return value


def _parameter(value: object) -> object:
    """YAML's true would be taken for 1; a quoted 0x10 is the number, as in `graph_hash`."""
    if isinstance(value, bool):
        raise ValueError("true and false are no values of a parameter; write 1 or 0")
    if isinstance(value, str) and HEX.fullmatch(value):
        return int(value, 16)
    return value


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")]
Word = Annotated[int, BeforeValidator(_hex_word), Field(ge=0, le=0xFFFF_FFFF)]
Parameter = Annotated[int | float | str, BeforeValidator(_parameter)]
Ratio = Annotated[Fraction, BeforeValidator(_ratio), AfterValidator(_ratio_in_bounds)]
Direction = Literal["in", "out"]
InputBit = int | Literal["zero", "one"] | tuple[int, ...]


class SourceFile(BaseModel):
    """A source whose suffix does not tell its language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(min_length=1)
    language: Literal["verilog", "vhdl", "c"]


class StreamPorts(BaseModel):
    """A decoder's own names for its clock, its reset and its two streams. Those that it has not are not connected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock: Identifier = "clk"
    reset: Identifier | None = "rst"
    reset_active: Literal["high", "low"] = "high"
    in_data: Identifier = "in_data"
    in_valid: Identifier = "in_valid"
    in_ready: Identifier = "in_ready"
    in_last: Identifier = "in_last"
    in_keep: Identifier = "in_keep"
    out_data: Identifier = "out_data"
    out_valid: Identifier = "out_valid"
    out_ready: Identifier = "out_ready"
    out_last: Identifier = "out_last"


class LayerOrder(BaseModel):
    """Input bits by layer: each layer of detection events begins a new word.

    Attributes:
        stabilizers: "decoded", those of the graph that carries the observables, in the order of their indices; "all";
            or their indices.
        words: words of a layer; by default as many as its bits fill.
        before, after: how many layers of zeros come before the first and after the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stabilizers: Literal["decoded", "all"] | tuple[int, ...] = "decoded"
    words: int | None = Field(default=None, ge=1)
    before: int = Field(default=0, ge=0)
    after: int = Field(default=0, ge=0)


class StreamFormat(BaseModel):
    """The stream of a decoder that does not speak qds1: so many words a shot, so many words an answer.

    Attributes:
        word_bits: of both streams, 1 to 512.
        shot_words, answer_words: words of a shot, and of its answer.
        codec: "file.py:Class", the words made and read by Python of one's own (`bridge.codec.StreamCodec`); without
            one the rest applies.
        prefix: words before each shot.
        detectors: what each input bit is, lowest bit first, packed into words after the prefix: a detector of the error
            model, a list of detectors whose parity it is, or "zero" or "one". By default every detector in order.
        layers: the input bits by layer, in place of `detectors`.
        answer_prefix: words of an answer before the correction.
        observables: correction bits whose parity is each observable.
        in_flight: shots that the decoder may hold, from the first word of the shot to the last of its answer; 1 where
            it cannot be stalled, else 16.
        has_valid, has_ready, has_last, has_keep: which of the streams' signals there are: true, false, "in" or "out".
        latency: without `out_valid`: clock cycles from the cycle in which the shot's last word stands on `in_data` to
            that in which its answer stands on `out_data`; 0 for a combinational decoder.
        ties: further inputs of the decoder, and the constant on each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    word_bits: int = Field(ge=1, le=MAX_WORD_BITS, default=8)
    shot_words: int = Field(ge=1, le=1 << 20)
    answer_words: int = Field(ge=1)
    codec: str | None = Field(default=None, pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")
    prefix: tuple[Annotated[int, Field(ge=0)], ...] = ()
    detectors: tuple[InputBit, ...] | None = None
    layers: LayerOrder | None = None
    answer_prefix: int = Field(ge=0, default=0)
    observables: tuple[tuple[int, ...], ...] = ((0,),)
    in_flight: int | None = Field(default=None, ge=1, le=MAX_IN_FLIGHT)
    has_valid: bool | Direction = True
    has_ready: bool | Direction = True
    has_last: bool | Direction = False
    has_keep: bool = False
    latency: int | None = Field(default=None, ge=0, le=1 << 16)
    ties: dict[Identifier, Annotated[int, Field(ge=0)]] = {}
    ports: StreamPorts = StreamPorts()

    @model_validator(mode="after")
    def _fits_together(self) -> "StreamFormat":
        answer_bits = 32 * self.answer_beats
        if answer_bits > MAX_ANSWER_BITS:
            raise ValueError(
                f"answer_words: {self.answer_words} words of {self.word_bits} bits are {answer_bits} bits on the link, "
                f"which carries {MAX_ANSWER_BITS} bits an answer; send fewer words, or narrower ones"
            )
        if self.has("valid", "out") == (self.latency is not None):
            raise ValueError(
                "latency: say after how many clock cycles the answer stands on out_data, where (and only where) "
                "has_valid says that there is no out_valid"
            )
        if self.latency is not None and self.answer_words != 1:
            raise ValueError("answer_words: without out_valid an answer is one word; make word_bits as wide as it is")
        if self.detectors is not None and self.layers is not None:
            raise ValueError("detectors and layers both say what the input bits are; keep one")
        return self

    def has(self, signal: Literal["valid", "ready", "last"], direction: Direction) -> bool:
        """Whether the decoder has this signal on its input ("in") or output stream."""
        value = getattr(self, f"has_{signal}")
        return value is True or value == direction

    @property
    def can_be_stalled(self) -> bool:
        """Whether the decoder waits with a word of its answer until it is taken."""
        return self.has("ready", "out") and self.has("valid", "out")

    @property
    def shots_in_flight(self) -> int:
        """`in_flight`, or what it is by default."""
        return self.in_flight or (DEFAULT_IN_FLIGHT if self.can_be_stalled else 1)

    @property
    def words_per_beat(self) -> int:
        """Words of an answer that share a word of 32 bits on the link."""
        return max(1, 32 // self.word_bits)

    @property
    def beats_per_word(self) -> int:
        """Words of 32 bits that carry one word of the stream to the decoder, or a wide one back."""
        return -(-self.word_bits // 32)

    @property
    def answer_beats(self) -> int:
        """Words of 32 bits that carry an answer."""
        return -(-self.answer_words // self.words_per_beat) * self.beats_per_word


NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"


class Manifest(BaseModel):
    """One decoder. Unknown keys are refused; paths are relative to the manifest's folder.

    Attributes:
        sources: the RTL: Verilog, SystemVerilog or VHDL; .c and .cpp for functions that it imports by DPI-C.
        include_dirs: folders searched for `include files and modules, before those of the sources.
        defines: macros; null for one without a value.
        files: data that the RTL reads, such as `$readmemh` tables; named there as here.
        parameters: of the top module: whole numbers, reals, texts.
        clocks: further clock inputs of the top, each with its ratio to the clock: 2 is twice as fast.
        rounds: 0 and more; and so on: see docs/decoders.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, pattern=f"^{NAME}$")
    version: str = "1"
    protocol: str = PROTOCOL
    top: Identifier
    sources: tuple[str | SourceFile, ...] = Field(min_length=1)
    include_dirs: tuple[str, ...] = ()
    defines: dict[Identifier, int | str | None] = {}
    files: tuple[str, ...] = ()
    parameters: dict[Identifier, Parameter] = {}
    clocks: dict[Identifier, Ratio] = Field(default={}, max_length=1)
    clock_mhz: float = Field(gt=0, le=MAX_CLOCK_MHZ, default=100.0)
    core: str = "user"
    corrections: Literal["observables", "data_qubits"] = "observables"
    stream: StreamFormat | None = None
    graph_hash: Word | None = None
    num_stabilizers: int = Field(ge=1)
    num_data_qubits: int = Field(ge=0)
    num_observables: int = Field(ge=1)
    rounds: int = Field(ge=0)
    error_model: str | None = None
    table: str | None = None
    weights: str | None = None
    options: dict[str, Any] = {}
    code: dict[str, Any] = {}


class DecoderFolder:
    """A manifest together with the folder it stands in.

    Attributes:
        manifest: the validated decoder.yaml; formulas have their values.
        path: folder of the manifest.
        manifest_file: absolute path of the manifest.
        design: what a tool is given to build.
        data_files: absolute paths of the other files that the manifest names, by its field.
    """

    def __init__(self, path: Path, memory: Memory | None = None) -> None:
        """Read `path`, a decoder.yaml or the folder that holds one.

        Args:
            memory: what {d} and {rounds} are in the manifest's formulas; by default what its `code` says.

        Raises:
            ManifestError: no such file, not a manifest, a source that is not there, or data that is named by its
                whole path; names the file and the field.
        """
        file = path / MANIFEST_NAME if path.is_dir() else path
        self.manifest = _read(file, memory)
        self.path = file.parent.resolve()
        self.manifest_file = self.path / file.name
        manifest = self.manifest
        self.design = Design(
            name=manifest.name,
            top=manifest.top,
            sources=tuple(map(self._source, manifest.sources)),
            include_dirs=tuple(self._folder(name, "include_dirs") for name in manifest.include_dirs),
            defines=manifest.defines,
            files={self._name_of_file(name): self._existing(name, "files") for name in manifest.files},
            parameters=manifest.parameters,
            clocks=manifest.clocks,
        )
        if (name := data_beyond_files(self.design)) is not None:
            raise ManifestError(f"{self.manifest_file}: {DATA_REMEDY.format(name=name)}")
        self.data_files = {
            field: self._existing(name, field)
            for field in DATA_FIELDS
            if (name := getattr(manifest, field)) is not None
        }

    @property
    def sources(self) -> tuple[Path, ...]:
        """Absolute paths of the RTL, as the manifest lists them."""
        return tuple(source.path for source in self.design.sources)

    def file(self, name: str) -> Path:
        """Absolute path of a file of the folder."""
        return self.path / Path(name).expanduser()

    def _source(self, entry: str | SourceFile) -> Source:
        if isinstance(entry, SourceFile):
            return Source(self._existing(entry.file, "sources"), entry.language)
        path = self._existing(entry, "sources")
        language = language_of(path)
        if language is None:
            raise ManifestError(
                f"{self.manifest_file}: the suffix of {entry!r} in sources does not tell a language; write "
                f"{{file: {entry}, language: verilog}} (or vhdl, or c), or name data that the RTL reads in `files`"
            )
        return Source(path, language)

    def _folder(self, name: str, field: str) -> Path:
        folder = self.file(name)
        if not folder.is_dir():
            raise ManifestError(f"{self.manifest_file}: {field} names {name!r}, but there is no folder {folder}")
        return folder

    def _name_of_file(self, name: str) -> str:
        """What the RTL calls a data file: as the manifest does, where that lies below it; else its bare name."""
        path = Path(name)
        return path.name if path.expanduser().is_absolute() or ".." in path.parts else path.as_posix()

    def _existing(self, name: str, field: str) -> Path:
        file = self.file(name)  # a link is not followed: what is behind it may have a name without a suffix
        if not file.is_file():
            raise ManifestError(
                f"{self.manifest_file}: {field} names {name!r}, but there is no file {file}; "
                f"correct the path (relative to the manifest){' or compile the decoder again' * (field in DATA_FIELDS)}"
            )
        return file


def _read(file: Path, memory: Memory | None) -> Manifest:
    return manifest_of(_content(file), str(file), memory)


def _content(file: Path) -> object:
    try:
        content: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(
            f"cannot read the decoder manifest {file}: {error.strerror}; give the path of a {MANIFEST_NAME} "
            "or of the folder that holds one"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file} is not YAML: {error}") from error
    return content


def written_content(path: Path) -> dict[str, Any]:
    """A manifest as it is written, formulas and all; raises ManifestError where there is none."""
    file = path / MANIFEST_NAME if path.is_dir() else path
    content = _content(file)
    if not isinstance(content, dict):
        raise ManifestError(f"{file} is not a decoder manifest: expected keys such as name, top and sources")
    return content


def written_code(path: Path) -> dict[str, Any]:
    """What a manifest says of its `code` without formulas; raises ManifestError where there is no manifest."""
    code = written_content(path).get("code")
    known = code.items() if isinstance(code, dict) else ()
    return {str(name): value for name, value in known if not has_formulas(value)}


def manifest_of(content: object, where: str, memory: Memory | None = None) -> Manifest:
    """Check a manifest's content; raises ManifestError that names the place and the field."""
    if not isinstance(content, dict):
        raise ManifestError(f"{where} is not a decoder manifest: expected keys such as name, top and sources")
    if has_formulas(content):
        content = _without_formulas(content, where, memory)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}" for fault in error.errors()
        )
        raise ManifestError(f"{where} is not a decoder manifest: {faults}") from error
    if manifest.protocol != (PROTOCOL if manifest.stream is None else STREAM_PROTOCOL):
        raise ManifestError(
            f"{where}: protocol {manifest.protocol!r} is not spoken here; this version of qtwin speaks {PROTOCOL}, and "
            f"{STREAM_PROTOCOL} where `stream` describes a decoder's own"
        )
    return manifest


def _without_formulas(content: dict[str, Any], where: str, memory: Memory | None) -> dict[str, Any]:
    code = content.get("code")
    memory = memory or (memory_of(code) if isinstance(code, dict) else None)
    if memory is None:
        raise ManifestError(
            f"{where} has formulas in {{d}} and {{rounds}}, and it is not said which memory is meant; give --distance "
            "and --rounds, or put `code: {distance: 3, rounds: 3}` into the manifest"
        )
    try:
        values: dict[str, Any] = with_memory(content, memory)
    except ManifestError as error:
        raise ManifestError(f"{where}: {error}") from error
    return values
