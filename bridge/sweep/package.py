"""A decoder packed to travel: its folder's files by content, unpacked once per machine where it is needed."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from bridge.decoders import Decoder, files_beside, find_decoder
from bridge.errors import LinkOpenError, LoopError
from bridge.problem import DecodingProblem
from bridge.sweep.memories import text_hash
from hdl.build import cached_build
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.design import Design
from hdl.errors import HdlError
from hdl.standalone import included_files

OUTSIDE = "outside"
MAX_FOLDER_BYTES = 64 << 20
MAX_FILES_IN_REACH = 100_000
HEADER_SUFFIXES = (".vh", ".svh", ".sv", ".v", ".h", ".hh", ".hpp", ".inc")


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
    """Every file of the folder; what is read from elsewhere is taken in, and the manifest says where it is now."""
    beside = files_beside(folder.path / MANIFEST_NAME)
    found = {path.relative_to(folder.path).as_posix(): path for path in _bounded(folder, beside)}
    text = manifest_file.read_text(encoding="utf-8")
    needed = _needed(folder.design)
    kept = {os.path.realpath(path) for path in found.values()}
    if not all(os.path.realpath(path) in kept for path in (*needed, *folder.design.files.values())):
        taken, fields = _taken_in(folder.design, needed)
        found |= taken
        text = yaml.safe_dump({**folder.manifest.model_dump(mode="json"), **fields}, sort_keys=False)
    bounded = zip(found, _bounded(folder, found.values()), strict=True)
    packed = {name: zlib.compress(path.read_bytes()) for name, path in bounded}
    return {**packed, MANIFEST_NAME: zlib.compress(text.encode())}


def _bounded(folder: DecoderFolder, files: Iterable[Path]) -> Iterator[Path]:
    """The files, as long as they are no more than may travel; raises LoopError at the first that is too much."""
    total = 0
    for path in files:
        total += path.stat().st_size
        if total > MAX_FOLDER_BYTES:
            raise LoopError(
                f"the decoder folder {folder.path} holds, with what it reads, more than {MAX_FOLDER_BYTES >> 20} MiB; "
                "move what is not part of the decoder elsewhere, so that it can travel to the workers"
            )
        yield path


def _needed(design: Design) -> list[Path]:
    """Sources and what they may include with any tool: what Verilator reads, and the headers that lie in reach."""
    try:
        read = included_files(design)
    except HdlError:  # another simulator may take it
        read = []
    beside = (path for source in design.sources for path in source.path.parent.glob("*"))
    below = (path for folder in design.include_dirs for path in folder.rglob("*"))
    headers = []
    for count, path in enumerate(chain(beside, below)):
        if count == MAX_FILES_IN_REACH:
            raise LoopError(
                f"{design.name}: more than {MAX_FILES_IN_REACH:,} files lie in its include_dirs and beside its "
                "sources; name folders that hold its headers alone"
            )
        if path.suffix.lower() in HEADER_SUFFIXES and path.is_file():
            headers.append(path)
    return list(dict.fromkeys([*(source.path for source in design.sources), *read, *headers]))


def _taken_in(design: Design, needed: Iterable[Path]) -> tuple[dict[str, Path], dict[str, Any]]:
    """Files by the names that they travel under, as they lie to one another; and the fields that name them."""
    folders = [*design.include_dirs, *(path.parent for path in needed)]
    root = os.path.commonpath([os.path.normpath(folder) for folder in folders])

    def inside(path: Path) -> str:
        return (Path(OUTSIDE) / os.path.relpath(os.path.normpath(path), root)).as_posix()

    fields = {
        "sources": [{"file": inside(source.path), "language": source.language} for source in design.sources],
        "include_dirs": [inside(path) for path in design.include_dirs],
        "files": list(design.files),
    }
    return {**{inside(path): path for path in needed}, **design.files}, fields
