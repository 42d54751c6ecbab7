"""YAML that comes from outside, read within a budget: what would cost more is refused before it is built."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, ScalarEvent
from yaml.nodes import MappingNode

from twin.device.errors import ConfigError

# libyaml's, where PyYAML was built with it: an order of magnitude faster
_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc, valid-type]
    """Refuses a key that one mapping has twice (YAML 1.2.2, section 3.2.1.1), of which PyYAML would keep the last."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, object]:
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise ConstructorError(problem=self._repetition(node))
        return mapping

    def _repetition(self, node: MappingNode) -> str:
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if key in lines:
                return f"the key {repr(key)[:100]} of one mapping is on line {lines[key]} and on line {line}; keep one"
            lines[key] = line
        raise AssertionError("a mapping lost a key that it has once")


@dataclass(frozen=True, slots=True)
class YamlBudget:
    """What one text may hold. A calibration of 1,024 qubits with all values and pairs has about 35,000 nodes."""

    max_bytes: int = 2**20
    max_nodes: int = 60_000
    max_depth: int = 32
    max_plain_chars: int = 1000  # of a scalar without quotes, which may be a number: base 60 takes the square of them


DEFAULT_BUDGET = YamlBudget()


def parse_yaml(path: str, text: str, budget: YamlBudget = DEFAULT_BUDGET) -> object:
    """Plain data: maps, lists, strings, numbers, booleans, null and dates.

    Raises:
        ConfigError: not YAML, over the budget, or with aliases, merge keys, tags or a key twice in one mapping; the
            message names path and line.
    """
    size = len(text.encode(errors="surrogatepass"))
    if size > budget.max_bytes:
        raise ConfigError(f"{path}: {size} bytes, over the limit of {budget.max_bytes} bytes")
    try:
        _check(path, text, budget)
        data: object = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # the last for dates and numbers that are none
        raise ConfigError(f"{path}: is not valid YAML: {error}") from error
    return data


def _check(path: str, text: str, budget: YamlBudget) -> None:
    num_nodes = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        fault = None
        if isinstance(event, AliasEvent | ScalarEvent | CollectionStartEvent):
            num_nodes += 1
            fault = _fault_of(event, budget)
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if num_nodes > budget.max_nodes:
            fault = f"more than {budget.max_nodes} keys and values"
        elif depth > budget.max_depth:
            fault = f"nested more than {budget.max_depth} deep"
        if fault is not None:
            raise ConfigError(f"{path}: {fault} (line {_line_of(event)})")


def _line_of(event: Event) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1


def _fault_of(event: AliasEvent | ScalarEvent | CollectionStartEvent, budget: YamlBudget) -> str | None:
    if isinstance(event, AliasEvent):
        return "YAML aliases are not allowed (they can expand without bound); write the value out"
    if event.tag is not None:
        return f"is not valid YAML: tags are not allowed, got {event.tag[:100]!r}; write plain values"
    if isinstance(event, ScalarEvent) and not event.style:
        if event.value == "<<":
            return "YAML merge keys are not allowed (they can expand without bound); write the keys out"
        if len(event.value) > budget.max_plain_chars:
            return f"{len(event.value)} characters, over the limit of {budget.max_plain_chars}; quote long texts"
    return None
