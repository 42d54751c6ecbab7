"""What may stand after the name of a core: `union-find:3`, `union-find:window=10,commit=5,loadable`."""

from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import LinkOpenError
from bridge.suggestions import did_you_mean
from hdl.compile.decoder import CORES
from hdl.compile.unionfind_fabric import UnionFindOptions

if TYPE_CHECKING:  # names are checked before anything as large is imported
    from bridge.problem import DecodingProblem

UNION_FIND = "union-find"
CHOICES = {
    "bits": "weight_bits",
    "loadable": "loadable",
    "window": "window",
    "commit": "commit",
    "budget": "cycle_budget",
    "fifo": "fifo_layers",
}
"""What may stand after `union-find:`, and the option of the core that it is."""
WINDOWS_FROM_DISTANCES = 6
"""A memory of more than so many times the distance is decoded in windows, unless another choice was made."""


def check_decoder_name(name: str) -> None:
    """Raises LinkOpenError where no decoder has this name, before anything is started for it."""
    known = (*CORES, "pymatching", "sinter")
    core = name.partition(":")[0]
    if core not in known and not Path(name).exists():
        raise LinkOpenError(
            f"there is no decoder {name!r}: expected {', '.join((*CORES, 'pymatching', 'sinter:NAME'))}, "
            f"or the path of a decoder.yaml (or of its folder){did_you_mean(core, known)}"
        )


def decoder_options(name: str, problem: "DecodingProblem") -> UnionFindOptions | None:
    """The options of a core for a problem.

    A memory longer than `WINDOWS_FROM_DISTANCES` times the code's distance d gets a window of 2 d layers that commits
    d, where no window is named ("window=0" decodes whole shots all the same).

    Args:
        name: as for `core_and_choices`.
        problem: what the core is compiled for.

    Raises:
        LinkOpenError: choices that the core does not have. ErrorModelError: values that it cannot take.
    """
    core, chosen = core_and_choices(name)
    if core != UNION_FIND:
        return None
    distance = int(problem.code.get("distance", 0))
    if "window" not in chosen and distance and problem.layout.num_layers > WINDOWS_FROM_DISTANCES * distance:
        chosen = {"window": 2 * distance, "commit": distance, **chosen}
    return UnionFindOptions(**chosen)  # type: ignore[arg-type]


def core_and_choices(name: str) -> tuple[str, dict[str, int | bool]]:
    """A core by name, and what was chosen of `UnionFindOptions`.

    Args:
        name: "table", "union-find", "union-find:3", or "union-find:bits=3,window=10,commit=5,loadable".

    Raises:
        LinkOpenError: choices that the core does not have.
    """
    core, _, choices = name.partition(":")
    if choices and core != UNION_FIND:
        raise LinkOpenError(f"there is no decoder {name!r}: only union-find takes choices ({_choices_text()})")
    chosen: dict[str, int | bool] = {}
    for part in choices.split(",") if choices else []:
        key, _, value = part.partition("=") if not part.isdigit() else ("bits", "=", part)
        if key == "loadable" and not value:
            chosen["loadable"] = True
        elif key in CHOICES and key != "loadable" and value.isdigit():
            chosen[CHOICES[key]] = int(value)
        else:
            raise LinkOpenError(f"the decoder {name!r} has a choice {part!r}: expected {_choices_text()}")
    return core, chosen


def _choices_text() -> str:
    numbers = ", ".join(f"{choice}=N" for choice in CHOICES if choice != "loadable")
    return f"union-find:{numbers} or loadable, with commas between them; union-find:3 for 3 weight bits"
