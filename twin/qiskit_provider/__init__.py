"""A twin's backends in Qiskit: `backend.run(circuit)` queues a job there, `backend.target` is its live calibration.

>>> with TwinProvider("http://localhost:8000", "admin@qcraft.local", "password") as provider:  # doctest: +SKIP
...     backend = provider.get_backend("ibm_jakarta_like")
...     print(backend.run(transpile(circuit, backend), shots=1024).result().get_counts())

Needs Qiskit: pip install 'qtwin[qiskit]'.
"""

from twin.qiskit_provider.backend import TwinBackend, TwinProvider
from twin.qiskit_provider.errors import (
    TwinConnectionError,
    TwinJobError,
    TwinProviderError,
    TwinRefusedError,
    TwinTimeoutError,
)
from twin.qiskit_provider.job import TwinJob

__all__ = [
    "TwinBackend",
    "TwinConnectionError",
    "TwinJob",
    "TwinJobError",
    "TwinProvider",
    "TwinProviderError",
    "TwinRefusedError",
    "TwinTimeoutError",
]
