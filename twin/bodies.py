"""What clients send: models that say in OpenAPI what they take, and take just that.

A value is taken as it is: no text for a number, no true for 1. A key whose value is null is as good as absent where it
need not be there at all. What does not fit is told at a bounded cost, for it is told where every request is served.
"""

from __future__ import annotations

from collections.abc import Collection, Sized
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from twin.json_values import checked_json

MAX_UNKNOWN_KEYS = 20
T = TypeVar("T")


class _FailFast(FailFast):
    """With a hash, which a member of a union needs."""

    __hash__ = object.__hash__


QuickList = Annotated[list[T], _FailFast()]
"""A list that may be long: its first fault is told, not a million of them."""


def _without_fraction(value: Any) -> Any:
    """3.0 is 3, which is all the same in JSON (JSON Schema, section 4.2.3 of its core)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_without_fraction)
"""The last part of an integer's annotation, behind its limits."""
Whole = Annotated[int, WHOLE]


def check_few_keys(value: Sized, expected: Collection[str]) -> None:
    """Raises when there are so many keys that telling the unknown ones one by one would be work."""
    if len(value) > len(expected) + MAX_UNKNOWN_KEYS:
        context = {"num_keys": len(value), "num_known": len(expected), "known": ", ".join(expected)}
        raise PydanticCustomError(
            "too_many_keys", "has {num_keys} keys, expected at most {num_known}: {known}", context
        )


class OpenBody(BaseModel):
    """An object that may have keys beside those it names."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, value: Any) -> Any:
        """Without the nulls of what need not be there."""
        if not isinstance(value, dict):
            return value
        if cls.model_config["extra"] == "forbid":
            check_few_keys(value, cls.model_fields)
        if None not in value.values():
            return value
        absent = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: given for name, given in value.items() if given is not None or name not in absent}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """With null for every key that need not be there."""
        described = handler(schema)
        own = handler.resolve_ref_schema(described)
        for name, field in cls.model_fields.items():
            if not field.is_required() and name in own.get("properties", {}):
                own["properties"][name] = _or_null(own["properties"][name])
        return described


class Body(OpenBody):
    """An object that refuses keys it does not have: each by its name, unless they are many."""

    model_config = ConfigDict(extra="forbid")


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    kinds = schema.get("anyOf", [])
    if {"type": "null"} in kinds:
        return schema
    told = ("title", "description", "default", "examples")
    outside = {name: schema[name] for name in told if name in schema}
    inside = {name: value for name, value in schema.items() if name not in told}
    return {"anyOf": [*(kinds or [inside]), {"type": "null"}], **outside}


@dataclass(frozen=True, slots=True)
class AsGiven:
    """For `Annotated[dict[str, Any], AsGiven(Model)]`: checked and described by the model, handed on as it was sent."""

    model: type[BaseModel]

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
            validate(value)
            return checked_json(value)

        as_it_is = core_schema.plain_serializer_function_ser_schema(lambda value: value)
        return core_schema.no_info_wrap_validator_function(
            check, handler.generate_schema(self.model), serialization=as_it_is
        )
