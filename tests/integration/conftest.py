"""A service that measures: workers with the packaged model, and the API in front of them, for one module of tests.

A module that needs other workers, or an API alone, has fixtures of these names of its own.
"""

from collections.abc import Iterator

import httpx
import pytest
from api_service import api_process
from worker_fleet import Fleet, fleet


@pytest.fixture(scope="module")
def workers() -> Iterator[Fleet]:
    """One worker and a beat, on a database of their own."""
    with fleet(1) as started:
        yield started


@pytest.fixture(scope="module")
def api(workers: Fleet) -> Iterator[httpx.Client]:
    """A client of the API before these workers."""
    addresses = workers.environment["HEARKEN_DATABASE_URL"], workers.environment["HEARKEN_BROKER_URL"]
    with api_process(*addresses, workers.folder / "api.log") as client:
        yield client
