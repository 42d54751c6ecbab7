"""The error tree of the decoder compiler and of the RTL builds.

HdlError
├── ErrorModelError     a detector error model that cannot be compiled
│   └── NothingToDecodeError  no error of it both sets off a detector and flips an observable
├── ShapeError          detection events of another number of detectors than the decoder's
├── ManifestError       a decoder.yaml that cannot be used
├── BoardError          a board.yaml, or a decoder, that no bitstream can be built from
├── ToolMissingError    a simulator or compiler that is not installed
├── BuildError          a tool refused the RTL
└── SimulationError     a test in the simulator failed, or the simulator did
"""


class HdlError(Exception):
    """Base of everything this package raises; the message names what is wrong and the remedy."""


class ErrorModelError(HdlError):
    """A detector error model that the chosen core cannot decode."""


class NothingToDecodeError(ErrorModelError):
    """No error of the model both sets off a detector and flips an observable: noise of zero, or no observable."""


class ShapeError(HdlError, ValueError):
    """Detection events of another number of detectors than the decoder's; they are not cut or filled up."""


class ManifestError(HdlError):
    """A decoder manifest that is missing, malformed or points at missing files."""


class BoardError(HdlError):
    """A board that is unknown or wrongly described, or a decoder that does not go onto it."""


class ToolMissingError(HdlError):
    """A simulator or compiler is not installed; the message says how to get it."""


class BuildError(HdlError):
    """A tool refused the RTL; the message carries the tool's own first errors and the log's path."""


class SimulationError(HdlError):
    """A test in the simulator failed, or the simulator itself did; the message carries the end of its log."""
