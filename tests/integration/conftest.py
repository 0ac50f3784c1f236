"""The workers of the service that a module asks for, and the broker of those in the test's own process."""

import pytest
from kept_services import KeptService
from worker_fleet import Fleet

from workers.app import app


@pytest.fixture(scope="module")
def workers(service: KeptService) -> Fleet:
    """The workers behind the API."""
    return service.fleet


@pytest.fixture
def celery_broker(broker_url: str) -> str:
    """An empty broker, which this process sends its wake-ups to, whichever it sent them to before."""
    app.conf.broker_url = broker_url
    app.amqp._producer_pool = None  # it keeps the connection that it was first made with
    return broker_url
