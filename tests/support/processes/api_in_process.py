"""The service in the test's own process, where its statements can be seen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from sqlalchemy import Engine

from models.settings import Settings
from service.app import create_app


@asynccontextmanager
async def served_here(database_url: str, broker_url: str) -> AsyncIterator[tuple[httpx.AsyncClient, Engine]]:
    """A client of the service, and how it is connected to the database."""
    app = create_app(Settings(_env_file=None, database_url=database_url, broker_url=broker_url))  # type: ignore[call-arg]
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=90) as client:
            yield client, app.state.context.database.engine.sync_engine
