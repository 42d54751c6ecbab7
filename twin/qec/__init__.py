"""Quantum error correction: codes, their circuits under device noise, and live sessions."""
