"""Cryostat: the reference's four points, a monotone curve, the Boltzmann population."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.constants import h, k
from scipy.interpolate import PchipInterpolator

from twin.device.cryo import coherence_multiplier, excited_population


@pytest.mark.parametrize(("temperature_mk", "multiplier"), [(15, 1.0), (30, 0.85), (50, 0.60), (100, 0.20)])
def test_multiplier_goes_through_the_reference_points(temperature_mk: float, multiplier: float) -> None:
    assert coherence_multiplier(temperature_mk) == multiplier


def test_multiplier_is_scipys_pchip_between_the_points() -> None:
    curve = PchipInterpolator([15, 30, 50, 100], [1.0, 0.85, 0.60, 0.20])
    temperatures = np.linspace(15, 100, 500)
    ours = [coherence_multiplier(each) for each in temperatures]
    np.testing.assert_allclose(ours, curve(temperatures), rtol=1e-12)


def test_multiplier_falls_everywhere_and_stays_positive() -> None:
    values = [coherence_multiplier(each) for each in np.linspace(1, 2000, 4000)]
    assert values[0] == 1.0
    assert all(a >= b > 0 for a, b in itertools.pairwise(values))


@pytest.mark.parametrize("temperature_mk", [15.0, 50.0, 100.0, 1000.0])
def test_population_is_boltzmanns(temperature_mk: float) -> None:
    weight = np.exp(-h * 5.23657e9 / (k * temperature_mk * 1e-3))
    assert excited_population(5.23657, temperature_mk) == pytest.approx(weight / (1 + weight), rel=1e-9)
