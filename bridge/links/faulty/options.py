"""What goes wrong, and how often: `ber=1e-4,lose=1e-5,seed=7`."""

from dataclasses import dataclass, fields

from bridge.errors import LinkOpenError


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """Faults to inject. The same seed injects the same faults into the same bytes or calls.

    On a line of bytes, in each direction:

    Attributes:
        ber: probability that a bit is flipped.
        lose, double: probability that a byte is lost, or comes twice.
        truncate: probability that of the bytes of one write or read the rest is lost.
        late: probability that a read brings its bytes `late_s` later.
        stall: probability that the link stands still for `stall_s` before a write (on a link of words: an exchange).
        disconnect: probability that the link is lost at a write, before a byte of it has gone (at an exchange: before
            it, or after it, so that its answers are lost).
        reset: probability that the board is reset at a write (an exchange), in the middle of what it does.
        seed: of all of these.
    """

    ber: float = 0.0
    lose: float = 0.0
    double: float = 0.0
    truncate: float = 0.0
    late: float = 0.0
    late_s: float = 0.02
    stall: float = 0.0
    stall_s: float = 0.05
    disconnect: float = 0.0
    reset: float = 0.0
    seed: int = 1


BYTE_FAULTS = ("ber", "lose", "double", "truncate", "late")
"""Faults that make sense only where single bytes travel: a bus of words has none of them."""


def fault_options(text: str) -> FaultOptions:
    """Parse `NAME=VALUE,…`.

    Raises:
        LinkOpenError: an unknown name, or a value out of range; says what there is.
    """
    known = {field.name for field in fields(FaultOptions)}
    values: dict[str, float] = {}
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        if name not in known:
            raise LinkOpenError(
                f"faulty: there is no fault {name!r}; expected {', '.join(sorted(known))}, as NAME=VALUE"
            )
        values[name] = _number(name, value)
    seed = int(values.pop("seed", 1))
    return FaultOptions(seed=seed, **values)


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    is_probability = name != "seed" and not name.endswith("_s")
    if not number >= 0 or (is_probability and number > 1) or (name == "seed" and number != int(number)):
        expected = {"seed": "a whole number"}.get(name, "a probability from 0 to 1" if is_probability else "seconds")
        raise LinkOpenError(f"faulty: {name}={value!r} is not {expected}")
    return number
