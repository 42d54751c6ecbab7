"""Devices: calibration, overrides and their precedence, cryostat, drift, and the one effective noise snapshot."""
