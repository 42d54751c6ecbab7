"""What the doctor found: one finding a check, and what they come to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FALSE_ALARM_PROB = 1e-6
"""Chance that one statistical decision calls a healthy decoder ill."""

State = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was looked at.
        state: "warn" is worth knowing and makes no decoder ill; "skip" where it does not apply, or could not be done.
        diagnosis: the illness, or what is worth knowing, by name; empty where there is none.
        evidence: what was seen, with numbers.
        remedy: where to look.
        data: the numbers, for machines.
    """

    check: str
    state: State
    evidence: str
    diagnosis: str = ""
    remedy: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def passed(check: str, evidence: str, **data: Any) -> Finding:
    """A check that found nothing wrong."""
    return Finding(check, "pass", evidence, data=data)


def failed(check: str, diagnosis: str, evidence: str, remedy: str, **data: Any) -> Finding:
    """A check that found an illness."""
    return Finding(check, "fail", evidence, diagnosis, remedy, data)


def warned(check: str, diagnosis: str, evidence: str, remedy: str, **data: Any) -> Finding:
    """A check that found what its owner should know, and what a healthy decoder may have."""
    return Finding(check, "warn", evidence, diagnosis, remedy, data)


def skipped(check: str, why: str) -> Finding:
    """A check that was not done."""
    return Finding(check, "skip", why)


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found about one decoder. num_decisions: statistical ones among the checks."""

    decoder: str
    findings: tuple[Finding, ...]
    num_decisions: int

    @property
    def healthy(self) -> bool:
        """Whether no check failed."""
        return all(finding.state != "fail" for finding in self.findings)

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """Names of what is wrong."""
        return tuple(dict.fromkeys(finding.diagnosis for finding in self.findings if finding.state == "fail"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names of what is worth knowing."""
        return tuple(dict.fromkeys(finding.diagnosis for finding in self.findings if finding.state == "warn"))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "decoder": self.decoder,
            "healthy": self.healthy,
            "diagnoses": list(self.diagnoses),
            "warnings": list(self.warnings),
            "false_alarm_prob": self.num_decisions * FALSE_ALARM_PROB,
            "checks": [asdict(finding) for finding in self.findings],
        }
