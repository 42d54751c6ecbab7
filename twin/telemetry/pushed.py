"""What a decoder may attach to a job's metadata: the keys that the twin reads and knows, and any others."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from twin.bodies import WHOLE, OpenBody, QuickList

Count = Annotated[int, Field(ge=0), WHOLE]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Label = Annotated[str, Field(max_length=1000)] | float
Statistic = Amount | dict[str, Amount | None]
"""One number, or min, p50, p99, max and the like by name."""


class QecMetrics(OpenBody):
    """How well a code did. `logical_error_rate` is an average's member: it may be given as errors of shots, too."""

    logical_error_rate: Rate | None = None
    physical_error_rate: Rate | None = None
    logical_errors: Count | None = None
    shots: Count | None = None
    rounds: Count | None = None
    code_distance: Count | None = None

    @model_validator(mode="after")
    def _check_errors(self) -> QecMetrics:
        if self.logical_errors is not None and self.shots is not None and self.logical_errors > self.shots:
            raise ValueError(f"{self.logical_errors} logical_errors are more than {self.shots} shots")
        return self


class DecoderMetrics(QecMetrics):
    """Which decoder it was and how quick; the rates are read from here where `qec_metrics` has none."""

    decoder: Label | None = None
    version: Label | None = None
    graph_hash: Label | None = None
    link: Label | None = None
    simulator: Label | None = None
    clock_mhz: Amount | None = None
    latency_cycles: Statistic | None = None
    latency_ns: Statistic | None = None
    ns_per_round: Statistic | None = None
    rounds_per_s: Amount | None = None
    stalls: Count | None = None
    faults: Count | None = None
    repeats: Count | None = None


class JobMetadata(OpenBody):
    """Free JSON; these two keys feed `/telemetry/qec`: one object for the job, or a list with one for each circuit."""

    decoder_metrics: DecoderMetrics | QuickList[DecoderMetrics | None] | None = None
    qec_metrics: QecMetrics | QuickList[QecMetrics | None] | None = None
