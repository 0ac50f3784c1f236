"""Who waits for a job while the database is away."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import psycopg
import pytest

from models.settings import Settings
from service.signals import job_notifications
from service.signals.job_notifications import Watcher

Look = Callable[[list[str]], Awaitable[Collection[str]]]
NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"


async def away(ids: list[str]) -> Collection[str]:
    raise psycopg.OperationalError(f"no answer about {ids}")


async def only_b(ids: list[str]) -> Collection[str]:
    return [each for each in ids if each == "b"]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_notifications, "LOOK_AGAIN_SECONDS", 0.05)


async def seconds_until_news(watcher: Watcher, name: str, seconds: float) -> float:
    begun = asyncio.get_running_loop().time()
    with watcher.watch(name) as watch:
        async for _ in watch.changes(seconds):
            break
    return asyncio.get_running_loop().time() - begun


def waited(look: Look, seconds: float) -> list[float]:
    """How long each of three waits, who ask by this look."""

    async def together() -> list[float]:
        watcher = Watcher(Settings(database_url=NOWHERE), look)
        watcher.start()
        found = await asyncio.gather(*(seconds_until_news(watcher, name, seconds) for name in "abc"))
        await watcher.close()
        return list(found)

    return asyncio.run(together())


def test_everybody_is_woken_where_the_database_does_not_answer() -> None:
    assert max(waited(away, 20.0)) < 10


def test_only_who_waits_for_what_has_ended_is_woken() -> None:
    first, second, third = waited(only_b, 1.0)
    assert first >= 0.9
    assert third >= 0.9
    assert second < 0.9
