"""Sessions whose process has stopped within a COPY are ended; those that go on, or are somebody else's, are not."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from polling import until
from sqlalchemy import Engine, make_url, text

from workers.frozen_sessions import FrozenSessions

IDLE_SECONDS = 0.5
ROW = b"x" * 70_000 + b"\n"  # more than the server reads at a time, so that each counts


@pytest.fixture
def connected(engine: Engine) -> Iterator[Callable[[str], Any]]:
    """Makes sessions of a name, which have written; `filled` is there to be copied into and out of."""
    address = make_url(engine.url).set(drivername="postgresql").render_as_string(False)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE filled (value text)"))
        connection.execute(text("INSERT INTO filled SELECT repeat('y', 1000000) FROM generate_series(1, 20)"))
    with ExitStack() as opened:

        def connect(name: str) -> Any:
            session = psycopg.connect(address, application_name=name)
            opened.callback(session.close)
            session.execute("INSERT INTO filled VALUES ('')")
            return session

        yield connect


def begin_copy(session: Any) -> None:
    """A COPY that has begun, and goes on by `send_row` only."""
    session.pgconn.exec_(b"COPY filled FROM STDIN")
    send_row(session)


def send_row(session: Any) -> None:
    session.pgconn.put_copy_data(ROW)
    session.pgconn.flush()


def alive(engine: Engine, session: Any) -> bool:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid"), {"pid": session.info.backend_pid}
        )
        return found.first() is not None


def test_a_copy_that_is_not_gone_on_with_is_ended_and_no_other(engine: Engine, connected: Callable[[str], Any]) -> None:
    frozen, going_on, strange, between = (
        connected(name) for name in ("hearken worker", "hearken worker", "psql", "hearken worker")
    )
    for session in (frozen, going_on, strange):
        begin_copy(session)
    looking = FrozenSessions(IDLE_SECONDS)

    def looked() -> int:
        send_row(going_on)
        return looking.look(engine)

    assert looked() == 0
    assert until(looked, "a session to end", 20) == 1
    until(lambda: not alive(engine, frozen), "its end", 20)
    assert [alive(engine, each) for each in (going_on, strange, between)] == [True, True, True]
    assert looked() == 0
    between.execute("SELECT 1")


def test_a_session_that_does_not_take_what_it_asked_for_is_ended_where_it_has_written(
    engine: Engine, connected: Callable[[str], Any]
) -> None:
    written, reading = connected("hearken worker"), connected("hearken worker")
    reading.rollback()
    for session in (written, reading):
        session.pgconn.send_query(b"SELECT value FROM filled")
        session.pgconn.flush()
    looking = FrozenSessions(IDLE_SECONDS)
    assert until(lambda: looking.look(engine), "a session to end", 20) == 1
    until(lambda: not alive(engine, written), "its end", 20)
    assert alive(engine, reading)
