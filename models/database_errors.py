"""What an error of the database means, decided in one place by its SQLSTATE, whoever raised it: SQLAlchemy or psycopg.

The class of an error does not tell: a full disk, a lock that was not given and a lost connection are OperationalErrors
all three, and a COPY raises psycopg's own. The codes are those of PostgreSQL's documentation, appendix A.
"""

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_AWAY_CLASSES = ("08", "40", "53", "55", "57", "58")
"""Connection, rolled back, out of resources, not in the needed state, operator's intervention, the system itself."""
_AWAY = ("25006", "25P03", "25P04")
"""Read only, as a standby is; ended for idling in a transaction, or for its whole length."""
_TRY_AGAIN = ("40001", "40P01")
"""Serialization failure and deadlock: PostgreSQL asks for the whole transaction again."""
_DISK_FULL = "53100"
_LOCK_NOT_GIVEN = "55P03"
_CANCELLED = "57014"
_IDLE = "25P03"


class StatementTimedOut(Exception):  # noqa: N818 - it is what happened
    """A statement took longer than it may, by a limit of ours. Somebody else's cancelling is no such thing."""

    sqlstate = _CANCELLED


def from_database(error: BaseException) -> bool:
    """Whether the database, its driver or the pool of connections to it raised this, or what caused it."""
    return _raised(error) is not None


def sqlstate_of(error: BaseException) -> str | None:
    """The five characters by which PostgreSQL names an error; None where it did not answer at all."""
    raised = _raised(error)
    state: str | None = getattr(raised.orig if isinstance(raised, DBAPIError) else raised, "sqlstate", None)
    return state


def database_is_away(error: BaseException) -> bool:
    """Whether the database could not do what it does at other times: no document and no request is to blame.

    Work is then given back untouched, and clients are told to come again.
    """
    state = sqlstate_of(error)
    return _unreachable(error) if state is None else state.startswith(_AWAY_CLASSES) or state in _AWAY


def storage_is_full(error: BaseException) -> bool:
    """Whether the database has no room left on its disk."""
    return sqlstate_of(error) == _DISK_FULL


def over_own_limit(error: BaseException) -> bool:
    """Whether a limit that we set ourselves was met, on a lock, a statement or an idle transaction: it answers."""
    return sqlstate_of(error) in (_LOCK_NOT_GIVEN, _CANCELLED, _IDLE)


def was_cancelled(error: BaseException) -> bool:
    """Whether a statement was ended before its time, by a limit of ours or by somebody."""
    return sqlstate_of(error) == _CANCELLED


def asks_to_try_again(error: BaseException) -> bool:
    """Whether the same transaction, run again at once, may well succeed."""
    return sqlstate_of(error) in _TRY_AGAIN


def in_one_line(error: BaseException, most: int | None = 300) -> str:
    """The beginning of what an error says, without line ends, for a log: at most so many characters."""
    return " ".join(str(error).split())[:most]


def _raised(error: BaseException) -> BaseException | None:
    """The first of an error, its cause, the cause of that and so on that came from the database."""
    each: BaseException | None = error
    while each is not None and not isinstance(each, (DBAPIError, psycopg.Error, PoolTimeout, StatementTimedOut)):
        each = each.__cause__
    return each


def _unreachable(error: BaseException) -> bool:
    """Whether an error without a SQLSTATE is a connection that was lost, or could not be made."""
    raised = _raised(error)
    if isinstance(raised, DBAPIError):  # a statement on a sound connection was refused by the driver, for what it is
        on_sound_connection = raised.statement is not None and not raised.connection_invalidated
        return isinstance(raised, (OperationalError, InterfaceError)) and not on_sound_connection
    return isinstance(raised, (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout))
