"""The typed Python client of a twin: `TwinClient`, `AsyncTwinClient`, and `SessionStream` for bulk rounds and shots.

>>> with TwinClient("http://localhost:8000", "admin@qcraft.local", "password") as twin:  # doctest: +SKIP
...     job = twin.submit_job("ibm_jakarta_like", [bell], shots=1024)
...     print(twin.wait_for_job(job["job_id"])["results"][0]["counts"])
"""

from twin.client.asynchronous import AsyncTwinClient
from twin.client.errors import JobFailedError, TwinApiError, TwinUnreachableError
from twin.client.stream import SessionStream
from twin.client.synchronous import TwinClient
from twin.errors import DeadlineError, TwinError

__all__ = [
    "AsyncTwinClient",
    "DeadlineError",
    "JobFailedError",
    "SessionStream",
    "TwinApiError",
    "TwinClient",
    "TwinError",
    "TwinUnreachableError",
]
