"""Sessions of ours whose process has stopped in the middle of a statement: it neither sends the COPY that it began nor
takes what it asked for.

None of PostgreSQL's limits ends these: while it waits for the client within a statement it hears nothing but an order
to terminate. So they are found by watching. Only sessions that have written, and so may hold locks, are of interest.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from models.session_limits import PREFIX

_WAITING = text(
    "SELECT activity.pid, activity.query_start::text AS begun, "
    "coalesce(progress.bytes_processed, 0) AS bytes FROM pg_stat_activity AS activity "
    "LEFT JOIN pg_stat_progress_copy AS progress ON progress.pid = activity.pid "
    "WHERE activity.datname = current_database() AND activity.usename = current_user "
    "AND starts_with(activity.application_name, :prefix) AND activity.state = 'active' "
    "AND activity.backend_xid IS NOT NULL AND activity.wait_event IN ('ClientRead', 'ClientWrite')"
)
_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND query_start::text = :begun "
    "AND wait_event IN ('ClientRead', 'ClientWrite')"
)


@dataclass(frozen=True, slots=True)
class WaitingSession:
    """A session that waits for its client within a statement, and how far its COPY is; equal ones made no progress."""

    pid: int
    begun: str
    bytes: int


def waiting_sessions(connection: Connection) -> set[WaitingSession]:
    """Those that wait for their client just now."""
    found = connection.execute(_WAITING, {"prefix": PREFIX})
    return {WaitingSession(row.pid, row.begun, row.bytes) for row in found}


def end_session(connection: Connection, session: WaitingSession) -> bool:
    """End it, unless its client has gone on: its transaction is rolled back, and its locks are free."""
    return bool(connection.execute(_END, {"pid": session.pid, "begun": session.begun}).scalar_one_or_none())
