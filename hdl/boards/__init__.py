"""Boards that a decoder can be built for, one folder each."""
