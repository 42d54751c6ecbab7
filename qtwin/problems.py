"""The decoding problem of a memory experiment, without serving a twin: what `qtwin decoder` works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import LoopError
from bridge.noise import noise_body
from bridge.problem import DecodingProblem, decoding_problem
from qtwin.loops import default_backend
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.snapshot import compose
from twin.qec.errors import SessionSpecError
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec
from twin.settings import default_config_dir


@dataclass(frozen=True, slots=True)
class MemoryChoice:
    """Which memory. backend_id: None for one that fits the code; noise: "device" or "uniform:P"."""

    code: str = "surface"
    distance: int = 3
    rounds: int = 3
    basis: str = "Z"
    backend_id: str | None = None
    noise: str = "device"


def pose(choice: MemoryChoice) -> tuple[Mapping[str, Any], DecodingProblem]:
    """A session as a twin with the shipped devices would open it, and its problem.

    Raises:
        LoopError: there is no such memory; says which part of the choice is wrong.
    """
    catalog = DeviceCatalog.load(default_config_dir())
    backend_id = choice.backend_id or default_backend(choice.code, choice.distance)
    device = catalog.devices.get(backend_id)
    if device is None:
        raise LoopError(f"there is no backend {backend_id!r}; expected one of {', '.join(catalog.devices)}")
    snapshot = compose(device, catalog.scenarios, ControllerState())
    try:
        spec = SessionSpec.from_body(
            {
                "backend_id": backend_id,
                "code_family": choice.code,
                "code_distance": choice.distance,
                "basis": choice.basis,
                "rounds": choice.rounds,
                "seed": 1,
                "noise": noise_body(choice.noise),
            }
        )
        session = LiveSession(spec, device, lambda: snapshot)
    except SessionSpecError as error:
        raise LoopError(str(error)) from error
    info = session.info()
    return info, decoding_problem(info, str(session.detector_error_model(snapshot)))
