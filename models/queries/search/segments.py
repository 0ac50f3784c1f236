"""Graphs over vectors, built in bulk and in the background: an HNSW graph for each of a few stretches of a table.

New vectors lie beyond the last stretch, where a search compares every one of them; so storing them costs no more than
their rows, and what was stored is found at once. When `UNSEARCHED` of them wait, a graph is built over them together
with the last graphs where those are small, so that the graphs stay few and each vector enters a few of them in its
life. A stretch is the measurements from one id to before another, which are given in order: no row is ever changed to
enter a graph. What comes late into a stretch that has a graph, PostgreSQL adds to it by itself.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from models.queries.search.vectors import VectorIndex
from models.session_limits import lift_limits
from models.states import SegmentState
from models.tables import vector_index, vector_segment

log = logging.getLogger(__name__)

UNSEARCHED: Final = 10_000
"""So many vectors may wait for a graph; comparing them all takes a search some milliseconds."""
TOGETHER: Final = 4
"""Graphs of a like size that become one; those up to so many times the new one's size are of a like size."""
BYTES_A_NUMBER: Final = 5
"""Memory that building takes for each number of a vector: the number itself, and its share of the graph."""

_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtext('hearken vector graphs'))")
_UNLOCK: Final = text("SELECT pg_advisory_unlock(hashtext('hearken vector graphs'))")


@dataclass(frozen=True, slots=True)
class Segment:
    """A graph over the vectors of the measurements from `low` to before `high`."""

    id: int
    low: int
    high: int
    vectors: int

    @property
    def name(self) -> str:
        """The name of the graph's index in the database."""
        return f"vector_segment_{self.id}"


def register_index(connection: Connection, index: VectorIndex, *, wanted: bool) -> None:
    """Make these vectors known; graphs are built of them where they are `wanted`, now or before."""
    row = upsert(vector_index).values(
        space=index.space, scope=index.scope, key=index.key, dimension=index.dimension, wanted=wanted
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["space", "scope", "key"], set_={"wanted": vector_index.c.wanted | row.excluded.wanted}
        )
    )


def want_index(connection: Connection, index: VectorIndex) -> None:
    """Somebody has searched these vectors: have graphs built of them from now on."""
    unwanted = (*_is(index), ~vector_index.c.wanted)
    if connection.execute(select(vector_index.c.id).where(*unwanted)).first() is not None:
        connection.execute(update(vector_index).where(*unwanted).values(wanted=True))


def ready_segments(connection: Connection, index: VectorIndex) -> list[Segment]:
    """The graphs of an index in order. They meet without a gap; what lies beyond the last one has no graph yet."""
    rows = connection.execute(
        select(vector_segment)
        .join_from(vector_segment, vector_index)
        .where(*_is(index), vector_segment.c.state == SegmentState.READY)
        .order_by(vector_segment.c.low)
    )
    return [_segment(row) for row in rows]


def build_due_segments(engine: Engine, *, memory_bytes: int) -> int:
    """Build every graph that is due, one after the other; how many: none where another process is at it.

    What an earlier process left half built is removed first. A graph takes at most `memory_bytes` of the server's
    memory while it is built, and one processor.
    """
    built = 0
    with _alone(engine) as connection:
        if connection is None:
            return 0
        _clear(connection)
        for row in connection.execute(select(vector_index).where(vector_index.c.wanted)).all():
            index = VectorIndex(row.key, row.dimension, row.scope, row.space)
            if index.kind != "array" and _count(connection, row, index) >= UNSEARCHED:
                _build(connection, row.id, index, memory_bytes)
                built += 1
    return built


def vectors_waiting(connection: Connection) -> dict[tuple[str, str], int]:
    """How many vectors wait for a graph, as last counted, by space and scope."""
    of = vector_index.c.space, vector_index.c.scope
    rows = connection.execute(select(*of, func.sum(vector_index.c.waiting)).where(vector_index.c.wanted).group_by(*of))
    return {(space, scope): int(waiting) for space, scope, waiting in rows}


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection | None]:
    """A connection on which each statement commits and takes its time; None where another process has one."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(_LOCK).scalar_one():
            yield None
            return
        lift_limits(connection)
        try:
            yield connection
        finally:
            if not connection.invalidated and not connection.closed:
                connection.execute(text("RESET ALL"))
                connection.execute(_UNLOCK)


def _clear(connection: Connection) -> None:
    """Remove graphs that others have replaced, or that were left half built."""
    left = select(vector_segment).where(vector_segment.c.state != SegmentState.READY)
    for row in connection.execute(left).all():
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {_segment(row).name}"))
        connection.execute(delete(vector_segment).where(vector_segment.c.id == row.id))


def _count(connection: Connection, row: Row[tuple[int, ...]], index: VectorIndex) -> int:
    """Count what has come since the last time; how many vectors wait for a graph."""
    newest = f"(SELECT coalesce(max(measurement_id), 0) FROM {index.table})"
    since = f"{index.among('stored')} AND measurement_id > {row.counted_to} AND measurement_id <= newest.id"
    arrived_since = f"(SELECT count(*) FROM {index.table} AS stored WHERE {since})"
    counted = connection.execute(text(f"SELECT newest.id, {arrived_since} FROM {newest} AS newest(id)")).one()
    top, arrived = int(counted[0]), int(counted[1])
    if top > row.counted_to:
        changed = {"waiting": row.waiting + arrived, "counted_to": top}
        connection.execute(update(vector_index).where(vector_index.c.id == row.id).values(**changed))
    return int(row.waiting) + arrived


def _build(connection: Connection, index_id: int, index: VectorIndex, memory_bytes: int) -> None:
    known = connection.execute(select(vector_index).where(vector_index.c.id == index_id)).one()
    before = ready_segments(connection, index)
    replaced = _like_sized(before, known.waiting)
    kept = before[: len(before) - len(replaced)]
    low = kept[-1].high if kept else 0
    vectors = known.waiting + sum(segment.vectors for segment in replaced)
    made = connection.execute(
        insert(vector_segment)
        .values(index_id=index_id, low=low, high=known.counted_to + 1, vectors=vectors, state=SegmentState.BUILDING)
        .returning(vector_segment)
    ).one()
    segment = _segment(made)
    memory = min(memory_bytes, max(64 << 20, vectors * index.dimension * BYTES_A_NUMBER))
    connection.execute(text(f"SET maintenance_work_mem = '{memory >> 10}kB'"))
    connection.execute(text("SET max_parallel_maintenance_workers = 0"))
    connection.execute(text(index.graph(segment.name, segment.low, segment.high)))
    _exchange(connection, index_id, segment, replaced)
    _clear(connection)
    log.info("built a graph of %d vectors in place of %d: %s %s", vectors, len(replaced), index.table, index.key)


def _exchange(connection: Connection, index_id: int, segment: Segment, replaced: Sequence[Segment]) -> None:
    """In one statement, so that a search finds either the graphs before or the one after."""
    states = {segment.id: SegmentState.READY} | {each.id: SegmentState.REPLACED for each in replaced}
    connection.execute(
        text(
            "WITH counted AS (UPDATE vector_index SET waiting = 0 WHERE id = :index_id) UPDATE vector_segment "
            "SET state = changed.state FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[])) "
            "AS changed(id, state) WHERE vector_segment.id = changed.id"
        ),
        {"index_id": index_id, "ids": [*states], "states": [*states.values()]},
    )


def _like_sized(segments: Sequence[Segment], waiting: int) -> list[Segment]:
    """The last graphs, where with the new one there are `TOGETHER` of a like size; that may be so of several sizes."""
    found, size = 0, waiting
    while True:
        alike = found
        while alike < len(segments) and segments[-1 - alike].vectors < TOGETHER * size:
            alike += 1
        if alike - found < TOGETHER - 1:
            return list(segments[len(segments) - found :])
        size += sum(segment.vectors for segment in segments[len(segments) - alike : len(segments) - found])
        found = alike


def _is(index: VectorIndex) -> tuple[ColumnElement[bool], ...]:
    named = {"space": index.space, "scope": index.scope, "key": index.key}
    return tuple(vector_index.c[name] == value for name, value in named.items())


def _segment(row: Row[tuple[int, ...]]) -> Segment:
    return Segment(row.id, row.low, row.high, row.vectors)
