"""What several tests of boards build."""

import pytest

from hdl.compile.manifest import DecoderFolder
from tests.bridge.memory import sampled_memory


@pytest.fixture(scope="session")
def decoder() -> DecoderFolder:
    """Repetition code d=3, three rounds, by table: the one whose gates are simulated as well."""
    folder = sampled_memory(num_shots=1, seed=1).decoder.folder
    assert folder is not None
    return folder
