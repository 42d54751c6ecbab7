"""decoder.yaml: what a decoder is called, where its RTL lies, and what it was compiled for."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hdl.errors import ManifestError

MANIFEST_NAME = "decoder.yaml"
PROTOCOL = "qds1/1"
STREAM_PROTOCOL = "stream/1"
MAX_CLOCK_MHZ = 2000.0
"""The constant ClockHz is a signed word of 32 bits."""
DATA_FIELDS = ("error_model", "table", "weights")
"""Fields of the manifest that name a file besides the RTL."""


def _hex_word(value: object) -> object:
    """Accept 0x… text beside a plain integer: YAML keeps a quoted hash as text."""
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return value
    return value


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")]
Word = Annotated[int, BeforeValidator(_hex_word), Field(ge=0, le=0xFFFF_FFFF)]


class StreamPorts(BaseModel):
    """A decoder's own names for its clock, its reset and two streams with valid and ready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock: Identifier = "clk"
    reset: Identifier = "rst"
    reset_active: Literal["high", "low"] = "high"
    in_data: Identifier = "in_data"
    in_valid: Identifier = "in_valid"
    in_ready: Identifier = "in_ready"
    out_data: Identifier = "out_data"
    out_valid: Identifier = "out_valid"
    out_ready: Identifier = "out_ready"


class StreamFormat(BaseModel):
    """The stream of a decoder that does not speak qds1: so many words a shot, so many words an answer.

    word_bits: of both streams. shot_words, answer_words: words of a shot, and of its answer. codec: "file.py:Class",
    the words made and read by Python of one's own (`bridge.codec.StreamCodec`); without one the rest applies. prefix:
    words before each shot. detectors: the error model's detector of each input bit, lowest bit first, packed words
    after the prefix. answer_prefix: words of an answer before the correction. observables: correction bits whose
    parity is each observable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    word_bits: int = Field(ge=1, le=32, default=8)
    shot_words: int = Field(ge=1, le=1 << 20)
    answer_words: int = Field(ge=1, le=250)
    codec: str | None = Field(default=None, pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")
    prefix: tuple[int, ...] = ()
    detectors: tuple[int, ...] | None = None
    answer_prefix: int = Field(ge=0, default=0)
    observables: tuple[tuple[int, ...], ...] = ((0,),)
    ports: StreamPorts = StreamPorts()


NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"


class Manifest(BaseModel):
    """One decoder. Unknown keys are refused; paths are relative to the manifest's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, pattern=f"^{NAME}$")
    version: str = "1"
    protocol: str = PROTOCOL
    top: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")
    sources: tuple[str, ...] = Field(min_length=1)
    parameters: dict[str, int] = {}
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
        manifest: the validated decoder.yaml.
        path: folder of the manifest.
        manifest_file: absolute path of the manifest.
        sources: absolute paths of the RTL, in compilation order.
        data_files: absolute paths of the other files that the manifest names, by its field.
    """

    def __init__(self, path: Path) -> None:
        """Read `path`, a decoder.yaml or the folder that holds one.

        Raises:
            ManifestError: no such file, not a manifest, or a source that is not there; names the file and the field.
        """
        file = path / MANIFEST_NAME if path.is_dir() else path
        self.manifest = _read(file)
        self.path = file.parent.resolve()
        self.manifest_file = self.path / file.name
        self.sources = tuple(self._existing(source, "sources") for source in self.manifest.sources)
        self.data_files = {
            field: self._existing(name, field)
            for field in DATA_FIELDS
            if (name := getattr(self.manifest, field)) is not None
        }

    def file(self, name: str) -> Path:
        """Absolute path of a file of the folder."""
        return self.path / Path(name).expanduser()

    def _existing(self, name: str, field: str) -> Path:
        file = (self.path / Path(name).expanduser()).resolve()
        if not file.is_file():
            raise ManifestError(
                f"{self.path / MANIFEST_NAME}: {field} names {name!r}, but there is no file {file}; "
                "correct the path (relative to the manifest) or compile the decoder again"
            )
        return file


def _read(file: Path) -> Manifest:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(
            f"cannot read the decoder manifest {file}: {error.strerror}; give the path of a {MANIFEST_NAME} "
            "or of the folder that holds one"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file} is not YAML: {error}") from error
    return manifest_of(content, str(file))


def manifest_of(content: object, where: str) -> Manifest:
    """Check a manifest's content; raises ManifestError that names the place and the field."""
    if not isinstance(content, dict):
        raise ManifestError(f"{where} is not a decoder manifest: expected keys such as name, top and sources")
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
