"""A database for each test, and connections enough for many threads."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database that no other test has."""
    made = create_engine(database_url, pool_size=24)
    yield made
    made.dispose()
