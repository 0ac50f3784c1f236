"""The database of the service that a module asks for."""

import pytest
from kept_services import KeptService
from sqlalchemy import Engine


@pytest.fixture(scope="module")
def engine(service: KeptService) -> Engine:
    """Where the API keeps what it is sent."""
    return service.engine
