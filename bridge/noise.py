"""The noise of a session, as it is written in options and plans."""

from bridge.errors import LoopError


def noise_body(noise: str) -> dict[str, float] | None:
    """The `noise` of a session: None for the device's own, else {"uniform_prob": p}; raises LoopError."""
    if noise == "device":
        return None
    kind, _, value = noise.partition(":")
    try:
        probability = float(value)
    except ValueError:
        probability = -1.0
    if kind != "uniform" or value != value.strip() or not 0 <= probability < 0.5:
        raise LoopError(f"noise {noise!r}: expected `device`, or `uniform:P` with 0 <= P < 0.5")
    return {"uniform_prob": probability}
