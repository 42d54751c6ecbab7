"""Simulated boards: a decoder's RTL behind the very interface that a real board has."""
