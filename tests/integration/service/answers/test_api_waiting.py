"""Many at once: who waits is told by one look for all, and the connections to the database are kept for the next."""

import asyncio

import httpx
import pytest
from api_in_process import served_here
from kept_services import KeptService
from seeded_work import unique_text
from sqlalchemy import event, update

from models.tables import job
from service.signals import job_notifications
from workers.app import app

WAITING = 20
LOOK_AGAIN = 0.25


async def asleep(client: httpx.AsyncClient) -> str:
    """A job that nobody works at."""
    headers = {"Prefer": "respond-async"}
    answer = await client.post("/v1/analyses", json={"text": unique_text()}, headers=headers)
    return str(answer.json()["id"])


async def wait_for(client: httpx.AsyncClient, job_id: str) -> str:
    answer = await client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=60"})
    return str(answer.json()["state"])


def test_who_waits_is_told_of_an_end_without_notice_by_the_look_that_all_share(
    service: KeptService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_notifications, "LOOK_AGAIN_SECONDS", LOOK_AGAIN)
    asyncio.run(_waited(service))


async def _waited(service: KeptService) -> None:
    made: list[str] = []
    async with served_here(service.database_url, app.conf.broker_url) as (client, engine):
        jobs = [await asleep(client) for _ in range(WAITING)]
        waiting = [asyncio.create_task(wait_for(client, each)) for each in jobs]
        await asyncio.sleep(4 * LOOK_AGAIN)
        event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, said, *_: made.append(said))
        await asyncio.sleep(4 * LOOK_AGAIN)
        looks = len(made)
        with service.engine.begin() as connection:
            connection.execute(update(job).where(job.c.id == jobs[7]).values(state="cancelled"))
        done, others = await asyncio.wait(waiting, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    assert 1 <= looks <= 6, f"{looks} statements while {WAITING} wait and nothing happens"
    assert [waiting.index(task) for task in done] == [7]
    assert done.pop().result() == "cancelled"


def test_many_at_once_open_no_connection_anew(service: KeptService) -> None:
    assert asyncio.run(_opened_by_the_second_burst(service)) == 0


async def _opened_by_the_second_burst(service: KeptService) -> int:
    opened: list[object] = []
    async with served_here(service.database_url, app.conf.broker_url) as (client, engine):

        async def burst() -> None:
            answers = await asyncio.gather(*(client.get("/v1/jobs") for _ in range(64)))
            assert {answer.status_code for answer in answers} == {200}

        await burst()
        event.listen(engine, "connect", lambda connection, _: opened.append(connection))
        await burst()
    return len(opened)
