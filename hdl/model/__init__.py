"""Functional models of the RTL, without time: what the decoder answers, and in which order."""
