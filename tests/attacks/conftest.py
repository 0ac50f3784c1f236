"""The fleet that the attacks on jobs are aimed at: two workers and a beat, shared by all of them."""

from collections.abc import Iterator

import pytest
from worker_fleet import Fleet, fleet


@pytest.fixture(scope="package")
def workers() -> Iterator[Fleet]:
    with fleet(2) as started:
        yield started
