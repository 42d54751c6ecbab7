"""decoder.yaml: what a decoder is called, where its RTL lies, and what it was compiled for."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hdl.errors import ManifestError

MANIFEST_NAME = "decoder.yaml"
PROTOCOL = "qds1/1"


def _hex_word(value: object) -> object:
    """Accept 0x… text beside a plain integer: YAML keeps a quoted hash as text."""
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return value
    return value


Word = Annotated[int, BeforeValidator(_hex_word), Field(ge=0, le=0xFFFF_FFFF)]


class Manifest(BaseModel):
    """One decoder. Unknown keys are refused; paths are relative to the manifest's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    version: str = "1"
    protocol: str = PROTOCOL
    top: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")
    sources: tuple[str, ...] = Field(min_length=1)
    parameters: dict[str, int] = {}
    clock_mhz: float = Field(gt=0, default=100.0)
    core: str = "user"
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
        for field in ("error_model", "table", "weights"):
            name = getattr(self.manifest, field)
            if name is not None:
                self._existing(name, field)

    def file(self, name: str) -> Path:
        """Absolute path of a file of the folder."""
        return self.path / name

    def _existing(self, name: str, field: str) -> Path:
        file = (self.path / name).resolve()
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
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}" for fault in error.errors()
        )
        raise ManifestError(f"{file} is not a decoder manifest: {faults}") from error
    if manifest.protocol != PROTOCOL:
        raise ManifestError(
            f"{file}: protocol {manifest.protocol!r} is not spoken here; this version of qtwin speaks {PROTOCOL}"
        )
    return manifest
