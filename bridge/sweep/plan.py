"""What a sweep runs: lists of decoders, links, codes, distances, rounds and noise, and when a point is done."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

from bridge.errors import LoopError
from bridge.noise import noise_body

ROUNDS_PATTERN = re.compile(r"^(?:(\d*)d|(\d+))$")
PLAN_FILE = "sweep.yaml"
DRIFTED = "drifted"
LINK_OF_DECODER = "default"
MAX_DRIFT = 1e6
MAX_SHOTS = 10**10
"""Of one point: weeks of work."""

Names = Annotated[tuple[str, ...], Field(min_length=1)]
Counts = dict[str, Annotated[int, Field(ge=1, le=MAX_SHOTS)]]


class SweepPlan(BaseModel):
    """One sweep. Unknown keys are refused.

    Attributes:
        decoders: as in `qtwin loop --decoder`.
        links: as in `--link`; "default" is `verilated` for RTL. A decoder without RTL runs once, in software.
        codes, distances, basis: of the memories.
        rounds: a number, "d", or a multiple of it such as "3d".
        noise: "device", "drifted:X" (the device X times as noisy as the error model says), or "uniform:P".
        backend: of the twin; None takes one that fits the code.
        seed: with the point's circuit and the batch's index it fixes every shot.
        max_shots, max_errors: a point is done at the first batch that reaches either; max_errors None: shots alone.
        shots_over: max_shots over a link, by its name before the colon, such as {"cocotb": 20000}.
        batch_shots: shots of a batch; the unit of work, of resuming, and of stopping.
        deadline_ns: a correction later than this after its shot's last word is a miss; None: the device's round time.
        archive_shots: failing shots of a point that are kept with their words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decoders: Names = ("union-find",)
    links: Names = (LINK_OF_DECODER,)
    codes: Annotated[tuple[Literal["surface", "repetition"], ...], Field(min_length=1)] = ("surface",)
    distances: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] = (3,)
    rounds: Annotated[tuple[str, ...], Field(min_length=1)] = ("d",)
    noise: Names = ("device",)
    basis: Literal["Z", "X"] = "Z"
    backend: str | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    max_shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)] = 1_000_000
    max_errors: Annotated[int, Field(ge=1, le=MAX_SHOTS)] | None = 1_000
    shots_over: Counts = {}
    batch_shots: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    deadline_ns: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    archive_shots: Annotated[int, Field(ge=0, le=1_000_000)] = 1_000

    @field_validator("rounds", mode="before")
    @classmethod
    def _rounds_as_text(cls, value: object) -> object:
        return [str(entry) for entry in value] if isinstance(value, list | tuple) else value

    @field_validator("rounds")
    @classmethod
    def _check_rounds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not ROUNDS_PATTERN.match(text) or rounds_of(text, 1) < 1:
                raise ValueError(f"{text!r} is not a number of rounds: expected one such as 10, d or 3d")
        return value

    @field_validator("noise")
    @classmethod
    def _check_noise(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                noise_request(text)
            except LoopError as error:
                raise ValueError(str(error)) from error
        return value

    def shots_of(self, link: str) -> int:
        """max_shots of a point over a link."""
        return min(self.max_shots, self.shots_over.get(link.partition(":")[0], self.max_shots))

    def memories(self) -> list["MemorySpec"]:
        """Every memory of the sweep, in the order of its lists."""
        found = [
            MemorySpec(code, distance, rounds_of(rounds, distance), self.basis, noise, self.backend)
            for code, distance, rounds, noise in itertools.product(self.codes, self.distances, self.rounds, self.noise)
        ]
        return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class MemorySpec:
    """One memory experiment as the twin is asked for it."""

    code: str
    distance: int
    rounds: int
    basis: str
    noise: str
    backend: str | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class NoiseRequest:
    """What the twin is asked: the session's `noise`, and the device's drift after the error model is known."""

    body: Mapping[str, float] | None
    drift_multiplier: float = 1.0


def noise_request(noise: str) -> NoiseRequest:
    """Take a noise of a plan apart; raises LoopError."""
    kind, _, value = noise.partition(":")
    if kind != DRIFTED:
        return NoiseRequest(noise_body(noise))
    try:
        factor = float(value)
    except ValueError:
        factor = -1.0
    if not 0 < factor <= MAX_DRIFT:
        raise LoopError(f"noise {noise!r}: expected drifted:X with a factor X > 0, such as drifted:1.5")
    return NoiseRequest(None, factor)


def rounds_of(text: str, distance: int) -> int:
    """Rounds of a memory: "10", "d" or "3d"."""
    found = ROUNDS_PATTERN.match(text)
    if found is None:
        raise LoopError(f"{text!r} is not a number of rounds: expected one such as 10, d or 3d")
    return int(found[2]) if found[2] else int(found[1] or 1) * distance


def read_plan(file: Path) -> dict[str, Any]:
    """Keys of a sweep's YAML file, not yet checked; raises LoopError."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise LoopError(f"cannot read the sweep {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LoopError(f"{file} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise LoopError(f"{file} is not a sweep: expected keys such as decoders, distances, noise")
    return {str(key): value for key, value in content.items()}
