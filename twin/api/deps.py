"""What routes depend on: the twin's parts, and who asks with which role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from twin.errors import DeniedError
from twin.parts import Parts

OPERATORS = frozenset({"operator", "admin"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the gateway says. A service that has the key and names nobody may do everything."""

    name: str
    role: str


async def parts_of(connection: HTTPConnection) -> Parts:
    parts: Parts = connection.state.parts
    return parts


async def caller_of(connection: HTTPConnection) -> Caller:
    return Caller(connection.headers.get("x-twin-user", "service"), connection.headers.get("x-twin-role", "admin"))


def check_operator(caller: Caller) -> None:
    """Raises DeniedError for a viewer."""
    if caller.role not in OPERATORS:
        raise DeniedError(f"this needs the role operator or admin; you are {caller.role}")


async def operator_of(connection: HTTPConnection) -> Caller:
    """Raises DeniedError for a viewer."""
    caller = await caller_of(connection)
    check_operator(caller)
    return caller


TheParts = Annotated[Parts, Depends(parts_of)]
AnyCaller = Annotated[Caller, Depends(caller_of)]
Operator = Annotated[Caller, Depends(operator_of)]
