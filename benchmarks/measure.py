"""Side by side: every contender once a round, so that a machine that slows down slows all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contender's values, one a round."""

    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median over the rounds."""
        return median(self.values)

    def ratio_to(self, other: "Measurement") -> float:
        """Median of the ratios, round by round."""
        return median(ours / theirs for ours, theirs in zip(self.values, other.values, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"what": self.what, "unit": self.unit, "values": list(self.values), "median": self.median}


def side_by_side(contenders: Mapping[str, Callable[[], float]], unit: str, rounds: int) -> list[Measurement]:
    """Measure every contender once a round, after one round that is not counted.

    Args:
        contenders: name -> function that does the work and returns its figure.
        unit: of the figures.
        rounds: counted rounds.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for round_index in range(rounds + 1):
        for name, contender in contenders.items():
            figure = contender()
            if round_index > 0:
                values[name].append(figure)
    return [Measurement(name, unit, tuple(figures)) for name, figures in values.items()]
