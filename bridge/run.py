"""What a run of the closed loop is: what was asked for, what was settled before the first shot, what was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bridge.adaptive.policy import Adaptation, AdaptiveSettings
from bridge.decoders import Decoder, decoder_id
from bridge.errors import BridgeError, LoopError
from bridge.identity import greet_decoder
from bridge.links.base import Deadlines, Link, LinkInfo
from bridge.problem import DecodingProblem
from bridge.tally import Tally

DEFAULT_CHUNK_SHOTS = 8192


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What to run.

    noise: "device", or "uniform:P" for circuit noise of probability P.
    adaptive: renew the decoder's weights from the syndromes while it runs; None to leave them alone.
    """

    decoder: str = "table"
    link: str | None = None
    backend_id: str = "surface17_like"
    code: str = "surface"
    distance: int = 3
    rounds: int = 3
    basis: str = "Z"
    shots: int = 10_000
    seed: int = 1
    noise: str = "device"
    chunk_shots: int = DEFAULT_CHUNK_SHOTS
    trace_shot: int | None = None
    adaptive: AdaptiveSettings | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)


class Watcher(Protocol):
    """Told of progress."""

    def stage(self, text: str) -> None:
        """A new step began."""

    def shots(self, done: int, total: int) -> None:
        """So many shots are done."""


@dataclass
class Setup:
    """What is settled before the first shot: job, session, what it asks, who decodes, the counts, who adapts.

    decoder_id: see `bridge.decoders.decoder_id`. read_id: see `LinkInfo`; None before the link was open.
    """

    job_id: str
    session: Mapping[str, Any]
    problem: DecodingProblem
    decoder: Decoder
    tally: Tally
    adaptation: Adaptation | None
    decoder_id: str
    read_id: str | None = None

    @property
    def session_id(self) -> str:
        """The twin's name for the session."""
        return str(self.session["session_id"])

    def greet(self, link: Link, info: LinkInfo) -> None:
        """Settle things with a decoder that was just reached, for the first time or again; raises BridgeError."""
        if info.read_id is not None:
            self.read_id = self.read_id or info.read_id
            if info.read_id != self.read_id or decoder_id(self.decoder) != self.decoder_id:
                raise LoopError(
                    f"the decoder {self.decoder.name} is not as it was when the run began: its RTL or a file that it "
                    "reads has changed; put it back and resume the run, or start a new run"
                )
        greet_decoder(link, self.decoder)
        if self.adaptation is not None and self.tally.num_shots:
            self.adaptation.restore(link)


@dataclass
class LoopRun:
    """What a run has found so far: whole when it ends, useful when it is cut short.

    Attributes:
        setup, link: None when the run failed before they existed.
        counters: what the decoder counted itself (stalls, faults) since the link was opened last.
        repeats: frames that the link sent again. reconnects: how often a lost link was opened again.
        ended: the twin's verdict.
        telemetry: the twin's own QEC telemetry after the run.
        physical_error_rate: see `_physical_error_rate`.
        adaptive: what an adaptive run changed and gained, see `Adaptation.result`.
        trace_file: the waveform, if one was asked for.
        error: why the run was cut short, None when it was not.
    """

    settings: LoopSettings
    setup: Setup | None = None
    link: LinkInfo | None = None
    counters: Mapping[str, int | None] = field(default_factory=dict)
    repeats: int = 0
    reconnects: int = 0
    ended: Mapping[str, Any] | None = None
    telemetry: Mapping[str, Any] | None = None
    physical_error_rate: float | None = None
    adaptive: Mapping[str, Any] | None = None
    trace_file: Path | None = None
    error: BridgeError | None = None


def metadata(run: LoopRun) -> dict[str, Any]:
    """decoder_metrics and qec_metrics of a run, as they are attached to its job; empty before the link was open."""
    if run.setup is None or run.link is None:
        return {}
    decoder, tally = run.setup.decoder, run.setup.tally
    clock_mhz = decoder.clock_mhz if run.link.clocked else None
    return {
        "decoder_metrics": {
            "decoder": decoder.name,
            "version": decoder.version,
            "graph_hash": f"0x{decoder.graph_hash:08x}",
            "link": run.link.link,
            "simulator": run.link.simulator,
            "clock_mhz": clock_mhz,
            **tally.timing_metrics(clock_mhz, float(run.setup.session["round_time_ns"])),
            **run.counters,
            "repeats": run.repeats,
            "reconnects": run.reconnects,
        },
        "qec_metrics": {**tally.qec_metrics(), "physical_error_rate": run.physical_error_rate},
    }
