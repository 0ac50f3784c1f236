"""Storing: what was measured for a claim becomes measurements, analyses and settled items, in one transaction.

Locks are taken in this order: the claim's items by id, measurements by key, known requests by key, jobs by id.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from psycopg.errors import UniqueViolation
from sqlalchemy import ARRAY, BigInteger, Connection, any_, bindparam, func, select, text, tuple_, update

from attention.definitions import DEFINITIONS, METRIC_NAMES
from models.identifiers import new_identifier
from models.queries.queue.claims import UNLEASED, ClaimedItem, give_back, lock_held
from models.queries.queue.job_state import settle_jobs
from models.queries.search.profiles import StoredScale
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import Cells, copy_blocks
from models.queries.writing.measurement_rows import Measured, insert_parts
from models.states import ItemState
from models.tables import measurement, work_item

Key = tuple[str, bytes]
"""A tenant and a work key: what names a measurement."""

_COLUMNS: Final = (
    "id",
    "tenant_id",
    "work_key",
    "version_key",
    "definitions",
    "tokens",
    "turns",
    "speakers",
    "windows",
    "truncated",
    "left_out_rows",
    *METRIC_NAMES,
    "profiled",
)
_OF_ANALYSIS: Final = (
    "id",
    "tenant_id",
    "job_id",
    "work_item_id",
    "document_id",
    "measurement_id",
    "model_id",
    "listed",
    "cached",
    "timing",
)
_NEW_IDS: Final = text(
    "SELECT nextval(pg_get_serial_sequence('measurement', 'id')) FROM generate_series(1, :count) ORDER BY 1"
)
_REMEMBER: Final = text(
    "INSERT INTO known_request (tenant_id, request_key, version_key, measurement_id) "
    "SELECT asked.tenant_id, asked.request_key, :version, asked.measurement_id FROM unnest("
    "CAST(:tenants AS text[]), CAST(:keys AS bytea[]), CAST(:measurements AS bigint[])"
    ") AS asked(tenant_id, request_key, measurement_id) ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)
_DONE: Final = (
    update(work_item)
    .where(work_item.c.id == any_(bindparam("items", type_=ARRAY(BigInteger))))
    .values(state=ItemState.DONE, finished_at=func.now(), **UNLEASED)
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one item. Without `measured` the numbers are stored already, under the same work key."""

    item: ClaimedItem
    work_key: bytes
    measured: Measured | None
    tokenize_ms: float
    forward_ms: float

    @property
    def key(self) -> Key:
        """The name of its measurement."""
        return self.item.tenant_id, self.work_key


def known_measurements(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of these were measured before."""
    wanted = sorted(set(keys))
    if not wanted:
        return set()
    name = (measurement.c.tenant_id, measurement.c.work_key)
    rows = connection.execute(select(*name).where(tuple_(*name).in_(wanted)))
    return {(row.tenant_id, bytes(row.work_key)) for row in rows}


def store_outcomes(
    connection: Connection,
    token: int,
    model_id: str,
    version_key: int,
    scale: StoredScale | None,
    outcomes: Sequence[Outcome],
) -> set[int]:
    """Store the outcomes whose items the claim still holds, settle their jobs, and return those items' ids.

    Without a scale of the version's profiles the sweeper makes them when there is one.
    A measurement that exists already is used as it is. An outcome that counted on one which was deleted meanwhile goes
    back into the queue. `store_ms` of the timing ends where the analyses are written, just before the commit.
    """
    begun = time.perf_counter()
    held = lock_held(connection, token, [outcome.item.id for outcome in outcomes])
    kept = [outcome for outcome in outcomes if outcome.item.id in held]
    if not kept:
        return set()
    numbers = {outcome.key: outcome.measured for outcome in kept if outcome.measured is not None}
    ids, made = _stored_measurements(connection, version_key, {outcome.key for outcome in kept}, numbers, scale)
    insert_parts(connection, version_key, scale, {ids[key]: (key[0], numbers[key]) for key in made})
    vanished = [outcome.item.id for outcome in kept if outcome.key not in ids]
    kept = [outcome for outcome in kept if outcome.key in ids]
    if kept:
        _remember_requests(connection, version_key, {(o.item.tenant_id, o.item.request_key): ids[o.key] for o in kept})
        _insert_analyses(connection, model_id, kept, ids, made, begun)
        connection.execute(_DONE, {"items": [outcome.item.id for outcome in kept]})
        settle_jobs(connection, [outcome.item.job_id for outcome in kept])
    give_back(connection, token, vanished)
    return {outcome.item.id for outcome in kept}


def _stored_measurements(
    connection: Connection,
    version_key: int,
    keys: set[Key],
    numbers: Mapping[Key, Measured],
    scale: StoredScale | None,
) -> tuple[dict[Key, int], set[Key]]:
    """The ids of all that are stored now, and which of them are new; what is neither stored nor in `numbers` is none.

    Another worker may store the same just now: then its rows are waited for and taken.
    """
    while True:
        ids = _attach(connection, keys)
        missing = sorted(numbers.keys() - ids.keys())
        if not missing:
            return ids, set()
        new = dict(zip(missing, connection.execute(_NEW_IDS, {"count": len(missing)}).scalars(), strict=True))
        rows = _measurements(new, version_key, numbers, profiled=scale is not None)
        try:
            with connection.begin_nested():
                copy_blocks(connection, "measurement", _COLUMNS, [rows])
        except UniqueViolation:
            continue
        return ids | new, set(new)


def _measurements(
    ids: Mapping[Key, int], version_key: int, numbers: Mapping[Key, Measured], *, profiled: bool
) -> list[Cells]:
    """Rows of `measurement`, in the order of the keys."""
    measured = [numbers[key] for key in ids]
    turns = np.array([-1 if each.turns is None else each.turns for each in measured])
    return [
        wire.int8([*ids.values()]),
        wire.text([tenant_id for tenant_id, _ in ids]),
        wire.bytea([work_key for _, work_key in ids]),
        wire.int8(np.full(len(ids), version_key)),
        wire.text([DEFINITIONS] * len(ids)),
        wire.int4([each.tokens for each in measured]),
        wire.int4(turns, turns < 0),
        wire.text_array([each.speakers for each in measured]),
        wire.int4([each.windows for each in measured]),
        wire.boolean([each.truncated for each in measured]),
        wire.int8([each.left_out_rows for each in measured]),
        wire.float8([[each.document[name] for name in METRIC_NAMES] for each in measured]),
        wire.boolean(np.full(len(ids), profiled)),
    ]


def _attach(connection: Connection, keys: set[Key]) -> dict[Key, int]:
    """Find measurements that exist, and keep them from being deleted until this transaction ends."""
    if not keys:
        return {}
    name = (measurement.c.tenant_id, measurement.c.work_key)
    found = connection.execute(
        select(measurement.c.id, *name)
        .where(tuple_(*name).in_(sorted(keys)))
        .order_by(*name)
        .with_for_update(read=True, key_share=True)
    )
    return {(row.tenant_id, bytes(row.work_key)): row.id for row in found}


def _remember_requests(connection: Connection, version_key: int, measurements: Mapping[Key, int]) -> None:
    tenants, keys = zip(*measurements, strict=True)
    given = {"tenants": [*tenants], "keys": [*keys], "measurements": [*measurements.values()], "version": version_key}
    connection.execute(_REMEMBER, given)


def _insert_analyses(
    connection: Connection,
    model_id: str,
    outcomes: Sequence[Outcome],
    ids: Mapping[Key, int],
    made: Iterable[Key],
    begun: float,
) -> None:
    """One analysis an item. Only the first user of a new measurement measured it; for the others it is cached."""
    fresh = set(made)
    cached, timings = [], []
    for outcome in outcomes:
        known = outcome.measured is None or outcome.key not in fresh
        fresh.discard(outcome.key)
        cached.append(known)
        timings.append(
            {
                "queued_ms": round((outcome.item.started_at - outcome.item.queued_at).total_seconds() * 1000, 3),
                "tokenize_ms": round(outcome.tokenize_ms, 3),
                "forward_ms": 0.0 if known else round(outcome.forward_ms, 3),
                "store_ms": round((time.perf_counter() - begun) * 1000, 3),
            }
        )
    items = [outcome.item for outcome in outcomes]
    rows = [
        wire.text([new_identifier("an") for _ in items]),
        wire.text([item.tenant_id for item in items]),
        wire.text([item.job_id for item in items]),
        wire.int8([item.id for item in items]),
        wire.text([item.document_id for item in items]),
        wire.int8([ids[outcome.key] for outcome in outcomes]),
        wire.text([model_id] * len(items)),
        wire.boolean([item.listed for item in items]),
        wire.boolean(cached),
        wire.jsonb([json.dumps(timing) for timing in timings]),
    ]
    copy_blocks(connection, "analysis", _OF_ANALYSIS, [rows])
