"""The error tree of the bridge.

BridgeError
├── LinkError
│   ├── LinkOpenError        the decoder cannot be reached or started
│   ├── DecoderSilentError   words were taken, but not every shot was answered in time
│   ├── ProtocolError        the decoder answered something that is not qds1, or not for these shots
│   ├── RegisterError        a register access was refused
│   └── LinkLostError        the other end went away
├── DecoderMismatchError     a decoder for another code, size or memory
└── LoopError                the loop cannot go on for a reason outside the link
    ├── NothingToDecodeError no error of the session both sets off a detector and flips an observable
    └── WorkersError         nothing is left that could run a sweep's batches
"""


class BridgeError(Exception):
    """Base of everything the bridge raises; the message names what is wrong and the remedy."""


class LinkError(BridgeError):
    """Something between the host and the decoder."""


class LinkOpenError(LinkError):
    """The decoder cannot be reached or started."""


class DecoderSilentError(LinkError):
    """Words were taken, but not every shot was answered before the deadline."""


class ProtocolError(LinkError):
    """The decoder's words are not the answer to what it was sent."""


class RegisterError(LinkError):
    """A register access was refused or not answered."""


class LinkLostError(LinkError):
    """The simulator, board or process at the other end went away."""


class DecoderMismatchError(BridgeError):
    """The decoder was compiled for another code, distance or memory length than the session's."""


class LoopError(BridgeError):
    """The loop cannot go on, for a reason outside the link."""


class NothingToDecodeError(LoopError):
    """The session's error model has no error that a decoder could correct, such as one without noise."""


class WorkersError(LoopError):
    """The workers of a sweep are gone, or cannot run its batches; what was counted is kept."""
