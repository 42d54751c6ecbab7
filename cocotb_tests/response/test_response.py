"""response on both simulators, for flips of one word and of two."""

from pathlib import Path

import pytest

from cocotb_tests.simulation import PACKAGES, RTL, simulate


@pytest.mark.parametrize("num_observables", [33, pytest.param(1, marks=pytest.mark.slow)])
def test_response(simulator: str, num_observables: int, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="response",
        sources=[*PACKAGES, RTL / "response.sv"],
        parameters={"NumObservables": num_observables},
        environment={"NUM_OBSERVABLES": str(num_observables)},
        test_module="cocotb_tests.response.simulated",
        scratch=tmp_path,
    )
