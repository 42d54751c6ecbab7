"""A decoder packed to travel: its folder's files by content, unpacked once per machine where it is needed."""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from bridge.decoders import Decoder, find_decoder
from bridge.errors import LinkOpenError, LoopError
from bridge.problem import DecodingProblem
from bridge.sweep.memories import text_hash
from hdl.build import cached_build
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.errors import HdlError
from hdl.standalone import copy_design, included_files

OUTSIDE = "outside"
MAX_FOLDER_BYTES = 64 << 20
LEFT_OUT = {"__pycache__", "sim_build", "obj_dir", "runs", "node_modules"}


@dataclass(frozen=True)
class DecoderPackage:
    """A decoder that any machine can open.

    Attributes:
        asked: what the user named it, which opens a decoder without RTL.
        name, version: for reports.
        files: path within the folder -> compressed content; None for a decoder that is software only.
    """

    asked: str
    name: str
    version: str
    files: Mapping[str, bytes] | None

    @cached_property
    def content_id(self) -> str:
        """Hash of what decides how it decodes: its files, or the name and version of the software."""
        if self.files is None:
            return text_hash(f"{self.asked} {self.version}")
        digest = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            data = zlib.decompress(content)
            digest.update(f"{path} {len(data)} ".encode() + data)
        return digest.hexdigest()[:16]

    def open(self, problem: DecodingProblem) -> Decoder:
        """The decoder, on this machine; raises LinkOpenError, DecoderMismatchError."""
        if self.files is None:
            return find_decoder(self.asked, problem)
        return find_decoder(str(self.unpacked()), problem)

    def unpacked(self) -> Path:
        """Folder with its files, in this machine's build cache."""
        files = self.files
        if files is None:
            raise LoopError(f"the decoder {self.name} is software, there is no folder to unpack")

        def build(folder: Path) -> None:
            for path, content in files.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(zlib.decompress(content))

        return cached_build({"what": "packed decoder", "content": self.content_id}, build)


def pack(asked: str, problem: DecodingProblem) -> DecoderPackage:
    """Find the decoder that a user named and pack it; raises LinkOpenError, DecoderMismatchError."""
    decoder = find_decoder(asked, problem)
    files = None
    if decoder.folder is not None:
        named = Path(asked)
        try:
            files = _files_of(decoder.folder, named if named.is_file() else decoder.folder.path / MANIFEST_NAME)
        except HdlError as error:
            raise LinkOpenError(str(error)) from error
    return DecoderPackage(asked, decoder.name, decoder.version, files)


def _files_of(folder: DecoderFolder, manifest_file: Path) -> dict[str, bytes]:
    """Every file of the folder; RTL from outside it is taken in, and the manifest says where it is now."""
    found: dict[str, bytes] = {}
    total = 0
    for parent, names, files in os.walk(folder.path):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in LEFT_OUT)
        for name in sorted(files):
            if name.startswith(".") or name.endswith(".pyc"):
                continue
            file = Path(parent) / name
            content = file.read_bytes()
            total += len(content)
            if total > MAX_FOLDER_BYTES:
                raise LoopError(
                    f"the decoder folder {folder.path} holds more than {MAX_FOLDER_BYTES >> 20} MiB; "
                    "move what is not part of the decoder elsewhere, so that it can travel to the workers"
                )
            found[file.relative_to(folder.path).as_posix()] = zlib.compress(content)
    return {**found, **_taken_in(folder, manifest_file)}


def _taken_in(folder: DecoderFolder, manifest_file: Path) -> dict[str, bytes]:
    """What the RTL reads from outside the folder, and the manifest, rewritten where there is any."""
    text = manifest_file.read_text(encoding="utf-8")
    design = folder.design
    read = [*folder.sources, *design.include_dirs, *design.files.values(), *included_files(design)]
    if all(path.resolve().is_relative_to(folder.path) for path in read):
        return {MANIFEST_NAME: zlib.compress(text.encode())}
    with tempfile.TemporaryDirectory() as scratch:
        copied = copy_design(design, Path(scratch), OUTSIDE)
        taken = {
            path.relative_to(scratch).as_posix(): zlib.compress(path.read_bytes())
            for path in sorted(Path(scratch).rglob("*"))
            if path.is_file()
        }
    manifest = {**folder.manifest.model_dump(mode="json"), **copied.manifest()}
    return {**taken, MANIFEST_NAME: zlib.compress(yaml.safe_dump(manifest, sort_keys=False).encode())}
