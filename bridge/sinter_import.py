"""Decoders made for sinter, as software decoders here."""

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from bridge.errors import LinkOpenError
from bridge.problem import DecodingProblem
from bridge.software_decoders import Bits, ShotDecoder, Statuses

if TYPE_CHECKING:
    import sinter

SINTER_PREFIX = "sinter:"


class SinterShotDecoder:
    """A sinter decoder behind `ShotDecoder`; what it returns is checked again."""

    def __init__(self, name: str, decoder: "sinter.Decoder", problem: DecodingProblem) -> None:
        self._name = name
        self._model = problem.error_model
        self._compiled = decoder.compile_decoder_for_dem(dem=problem.error_model)

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """See `ShotDecoder.decode`; raises LinkOpenError for predictions of another shape or type."""
        packed = np.packbits(detection_events, axis=1, bitorder="little")
        found = self._compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed)
        expected = (len(detection_events), -(-self._model.num_observables // 8))
        if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.shape != expected:
            got = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise LinkOpenError(f"the decoder {self._name} returned {got}, expected uint8 of shape {expected}")
        flips = np.unpackbits(found, axis=1, count=self._model.num_observables, bitorder="little")
        return flips, np.zeros(len(flips), dtype=np.uint32)


def sinter_decoder(name: str) -> tuple[str, str, Callable[[DecodingProblem], ShotDecoder]]:
    """A decoder of sinter, or of anyone who made one for sinter.

    Args:
        name: "sinter:NAME" for one that sinter itself has, "sinter:module:function:NAME" for one of those that
            `module.function()` returns by name, as for `sinter collect --custom_decoders_module_function`.

    Returns:
        its name, its version, and what makes it for a problem.

    Raises:
        LinkOpenError: there is no such decoder, with the names of those there are; or sinter is not installed.
    """
    parts = name.removeprefix(SINTER_PREFIX).split(":")
    if len(parts) not in (1, 3) or not all(parts):
        raise LinkOpenError(f"{name!r}: expected sinter:NAME, or sinter:module:function:NAME")
    try:
        import sinter  # of the extra `bench`
    except ImportError as error:
        raise LinkOpenError(f"{name!r} needs sinter: pip install 'qtwin[bench]'") from error
    known, package = (sinter.BUILT_IN_DECODERS, "sinter") if len(parts) == 1 else (_custom(name, *parts[:2]), parts[0])
    if parts[-1] not in known:
        raise LinkOpenError(f"{name!r}: there is no decoder {parts[-1]!r}; there are: {', '.join(sorted(known))}")
    decoder = known[parts[-1]]

    def make(problem: DecodingProblem) -> ShotDecoder:
        try:
            return SinterShotDecoder(name, decoder, problem)
        except NotImplementedError as error:
            raise LinkOpenError(f"{name!r} has no compile_decoder_for_dem, which is needed here") from error
        except ImportError as error:
            raise LinkOpenError(f"{name!r} cannot be used: {error}") from error

    return name.replace(":", "-"), _version(package), make


def _custom(name: str, module: str, function: str) -> "Mapping[str, sinter.Decoder]":
    try:
        found: Mapping[str, sinter.Decoder] = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise LinkOpenError(f"{name!r}: {error}; the module must be importable (PYTHONPATH)") from error
    return found


def _version(package: str) -> str:
    try:
        return version(package.partition(".")[0])
    except PackageNotFoundError:  # a module that is no installed package
        return "unversioned"
