"""The `pynq` link: a decoder on a PYNQ board, on the board itself, from a host, or against a simulated board.

Nothing here imports pynq before it is needed: the import takes seconds, and fixes whether boards are remote. `driver`
is what a board needs of it; the rest is for hosts.
"""
