"""Config routes: list, read, write and restore the YAML files."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from twin import clock
from twin.api.deps import Operator, TheParts
from twin.api.problems import responses
from twin.bodies import Body

router = APIRouter(prefix="/config", tags=["Config"])
FilePath = Annotated[str, Query(max_length=255, examples=["backends.yaml"])]


class ConfigFileView(BaseModel):
    path: str
    size_bytes: int
    modified_at: str


class ConfigList(BaseModel):
    files: list[ConfigFileView]
    writable: bool


class ConfigContent(BaseModel):
    path: str
    content: str
    version: str


class ConfigUpdate(Body):
    path: str = Field(max_length=255)
    content: str
    version: str | None = Field(default=None, description="refuse with 409 unless this is the current version")


class ConfigRestore(Body):
    path: str = Field(max_length=255)
    version: str


class ConfigVersionView(BaseModel):
    version: str
    saved_at: str
    saved_by: str


class ConfigVersions(BaseModel):
    path: str
    versions: list[ConfigVersionView]


@router.get("", response_model=ConfigList)
async def list_config_files(parts: TheParts) -> dict[str, Any]:
    await parts.config.follow()
    files = await asyncio.to_thread(parts.config.files)
    return {
        "files": [
            {
                "path": file.path,
                "size_bytes": file.size_bytes,
                "modified_at": clock.to_text(file.modified_at),
            }
            for file in files
        ],
        "writable": parts.config.writable,
    }


@router.get("/content", response_model=ConfigContent, responses=responses(404, 409, 422))
async def get_config_file(path: FilePath, parts: TheParts) -> dict[str, Any]:
    """One file's text. Its version is a hash of it."""
    await parts.config.follow()
    text, version = await asyncio.to_thread(parts.config.read, path)
    return {"path": path, "content": text, "version": version}


@router.put("/content", response_model=ConfigContent, responses=responses(403, 404, 409, 413, 422, 501))
async def update_config_file(body: ConfigUpdate, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Write a file. The whole configuration is checked with it first; then it is in force at once."""
    version = await parts.config.write(body.path, body.content, user=caller.name, expected_version=body.version)
    return {"path": body.path, "content": body.content, "version": version}


@router.get("/versions", response_model=ConfigVersions, responses=responses(404, 422))
async def list_config_versions(path: FilePath, parts: TheParts) -> dict[str, Any]:
    """The last ten versions of a file, newest first."""
    kept = await parts.config.versions(path)
    return {
        "path": path,
        "versions": [
            {"version": each.version, "saved_at": clock.to_text(each.saved_at), "saved_by": each.saved_by}
            for each in kept
        ],
    }


@router.post("/restore", response_model=ConfigContent, responses=responses(403, 404, 409, 422, 501))
async def restore_config_file(body: ConfigRestore, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Write one of the kept versions again."""
    version = await parts.config.restore(body.path, body.version, user=caller.name)
    text, _ = await asyncio.to_thread(parts.config.read, body.path)
    return {"path": body.path, "content": text, "version": version}
