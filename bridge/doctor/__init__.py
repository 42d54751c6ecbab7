"""The doctor: says what is wrong with a decoder, with evidence and remedy."""

from bridge.doctor.examination import Examination, LongerMemory, examine
from bridge.doctor.findings import Diagnosis, Finding

__all__ = ["Diagnosis", "Examination", "Finding", "LongerMemory", "examine"]
