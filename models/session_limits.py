"""How long a session of ours may wait for a lock, run a statement, and idle in a transaction: set in this one place.

PostgreSQL keeps these limits, so they hold however the process that connected is doing. What they do not reach, a COPY
whose process has stopped sending, is ended by `models.queries.queue.frozen_sessions`.
"""

from typing import Any, Final

from sqlalchemy import Connection, make_url, text

from models.settings import Settings

PREFIX: Final = "hearken "
"""What the name of every session of ours begins with."""
LONG_SECONDS: Final = 1800.0
"""For a statement that reads or writes a whole data set or job, and for what computes between two that only read."""
MIGRATION_IDLE_SECONDS: Final = 60.0


def connect_arguments(chosen: Settings, part: str, *, patience: float = 10.0) -> dict[str, Any]:
    """`connect_args` of the engine of one of our parts, for either kind of engine and for psycopg itself.

    `part` is what PostgreSQL's own views call its sessions; connecting may take `patience` seconds. Options that are
    part of the address come last, and so prevail. No session is ended for being idle outside a transaction.
    """
    limits = {
        "lock_timeout": chosen.lock_seconds,
        "statement_timeout": chosen.statement_seconds,
        "idle_in_transaction_session_timeout": chosen.idle_seconds,
    }
    return _arguments(chosen.database_url, part, patience, limits)


def migration_arguments(database_url: str) -> dict[str, Any]:
    """The same for migrations, which wait for one another and may rewrite a table: as long as it takes, unless idle."""
    limits = {
        "lock_timeout": 0.0,
        "statement_timeout": 0.0,
        "idle_in_transaction_session_timeout": MIGRATION_IDLE_SECONDS,
    }
    return _arguments(database_url, "migrate", 10.0, limits)


def allow_long_statements(connection: Connection) -> None:
    """In this transaction a statement may take as long as a whole data set or job does."""
    _limit_here(connection, statement_timeout=LONG_SECONDS)


def allow_long_reading(connection: Connection) -> None:
    """The same, and between two statements we may compute: for a transaction that only reads, and holds nobody up."""
    _limit_here(connection, statement_timeout=LONG_SECONDS, idle_in_transaction_session_timeout=LONG_SECONDS)


def allow_idling(connection: Connection, seconds: float) -> None:
    """In this transaction we may wait so long for somebody else than the database."""
    _limit_here(connection, idle_in_transaction_session_timeout=seconds)


def limit_statements(connection: Connection, seconds: float) -> None:
    """In this transaction a statement may take so long."""
    _limit_here(connection, statement_timeout=seconds)


def lift_limits(connection: Connection) -> None:
    """On this connection, which commits each statement, one may take as long as it does; it ends with its client."""
    for name, value in {
        "statement_timeout": "0",
        "lock_timeout": "0",
        "client_connection_check_interval": "5s",
    }.items():
        connection.execute(text(f"SET {name} = '{value}'"))


def _limit_here(connection: Connection, **seconds: float) -> None:
    for name, value in seconds.items():
        connection.execute(text(f"SET LOCAL {name} = {_milliseconds(value)}"))


def _arguments(database_url: str, part: str, patience: float, limits: dict[str, float]) -> dict[str, Any]:
    own = " ".join(["-c timezone=UTC", *(f"-c {name}={_milliseconds(value)}" for name, value in limits.items())])
    asked = make_url(database_url).query.get("options", ())
    return {
        "application_name": f"{PREFIX}{part}",
        "connect_timeout": round(patience),
        "options": " ".join([own, *([asked] if isinstance(asked, str) else asked)]),
    }


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
