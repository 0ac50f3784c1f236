"""What a request asks of the database, counted: a conversation that is waited for costs three statements."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from api_in_process import served_here
from api_service import job_at
from kept_services import KeptService, ServicePlan
from polling import until
from seeded_work import count, unique_text
from sqlalchemy import event

from models.tables import outbox
from service.signals import job_notifications
from workers.app import app

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

Statements = list[tuple[str, bool]]
Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@pytest.fixture(autouse=True)
def told_by_notices(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers are at work, and who waits looks when there is news and not every few seconds."""
    job_at(api, api.post("/v1/analyses", json={"text": unique_text()}, headers={"Prefer": "respond-async"}))
    monkeypatch.setattr(job_notifications, "LOOK_AGAIN_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def broker_of_the_workers(service: KeptService) -> Iterator[str]:
    """Wake-ups of this process go to the workers behind the service."""
    before = app.conf.broker_url
    app.conf.broker_url = service.fleet.redis_server.url
    app.amqp._producer_pool = None
    yield app.conf.broker_url
    app.conf.broker_url = before
    app.amqp._producer_pool = None


def asked(service: KeptService, ask: Ask) -> tuple[httpx.Response, Statements]:
    """The answer, and the statements of the request in order, each with whether it was a transaction by itself."""
    return asyncio.run(_asked(service, ask))


async def _asked(service: KeptService, ask: Ask) -> tuple[httpx.Response, Statements]:
    made: Statements = []

    def note(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        made.append((statement, connection.connection.driver_connection.autocommit))

    async with served_here(service.database_url, app.conf.broker_url) as (client, engine):
        await client.get("/v1/jobs")  # so that the local tenant is known
        event.listen(engine, "before_cursor_execute", note)
        answer = await ask(client)
        await asyncio.to_thread(until, lambda: count(service.engine, outbox) == 0, "an empty outbox")
        event.remove(engine, "before_cursor_execute", note)
    return answer, made


def kinds(made: Statements) -> list[str]:
    """The first word of each statement."""
    return [statement.split()[0] for statement, _ in made]


@pytest.mark.parametrize("key", [None, "a key"])
def test_a_conversation_that_is_waited_for_costs_three_statements(service: KeptService, key: str | None) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)} if key else {}

    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/analyses", json={"text": unique_text()}, headers={**headers, "Prefer": "wait=60"})

    answer, made = asked(service, ask)
    assert answer.status_code == 201, answer.text
    assert answer.json()["cached"] is False
    assert sorted(kinds(made)) == ["DELETE", "SELECT", "WITH"], "written, its wake-up forgotten, read"
    assert all(alone for _, alone in made)


def test_what_was_measured_before_costs_two_statements(service: KeptService) -> None:
    sent = {"text": unique_text()}

    async def first(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/analyses", json=sent)

    async def again(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/analyses", json=sent, headers={"Prefer": "respond-async"})

    measured, _ = asked(service, first)
    answer, made = asked(service, again)
    assert (answer.status_code, answer.json()["cached"]) == (201, True)
    assert answer.json()["metrics"] == measured.json()["metrics"]
    assert kinds(made) == ["WITH", "SELECT"]
    assert all(alone for _, alone in made)


def test_an_analysis_is_read_by_one_statement(service: KeptService) -> None:
    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/analyses", json={"text": unique_text()})

    made, _ = asked(service, ask)

    async def read(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get(made.headers["location"])

    answer, statements = asked(service, read)
    assert answer.content == made.content
    assert kinds(statements) == ["SELECT"]
