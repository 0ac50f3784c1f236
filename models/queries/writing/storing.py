"""Storing: what was measured for a claim becomes measurements, analyses and settled items, in one transaction.

Locks are taken in this order: the claim's items by id, measurements by key, known requests by key, jobs by id.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from attention.definitions import DEFINITIONS, METRIC_NAMES, PROFILE_METRICS, TURN_METRIC_NAMES
from models.identifiers import new_identifier
from models.queries.queue.claims import UNLEASED, ClaimedItem, give_back, lock_held
from models.queries.queue.job_state import settle_jobs
from models.queries.search.profiles import StoredScale
from models.queries.writing.binary_copy import copy_rows
from models.queries.writing.profiles import insert_profiles
from models.states import ItemState
from models.tables import analysis, known_request, measurement, work_item
from models.wide_vectors import embedding_column

Key = tuple[str, bytes]
"""A tenant and a work key: what names a measurement."""


class Measured(Protocol):
    """What is stored of one document: the fields of `attention.measure.Measurement` that outlive the worker."""

    tokens: int
    turns: int | None
    speakers: tuple[str, ...]
    windows: int
    truncated: bool
    heads: dict[str, NDArray[np.float64]]  # (L, H) each
    layers: dict[str, NDArray[np.float64]]  # (L,) each
    document: dict[str, float]
    embedding: NDArray[np.float32]  # (d,)
    turn_embeddings: NDArray[np.float32] | None  # (T, d)
    layer_embeddings: NDArray[np.float32] | None  # (L, d)
    flow: NDArray[np.float32] | None  # (L, T, T + 1)
    turn_tokens: NDArray[np.int64] | None  # (T,)
    turn_speakers: NDArray[np.int32] | None  # (T,)
    turn_metrics: dict[str, NDArray[np.float64]] | None  # (T,) each
    left_out_rows: int
    first_layers: dict[str, NDArray[np.float64]] | None  # (L,) each


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
    made = _insert_measurements(connection, version_key, numbers, profiled=scale is not None)
    _insert_parts(connection, version_key, scale, {made[key]: (key[0], numbers[key]) for key in made})
    ids = made | _attach(connection, {outcome.key for outcome in kept} - made.keys())
    vanished = [outcome.item.id for outcome in kept if outcome.key not in ids]
    kept = [outcome for outcome in kept if outcome.key in ids]
    if kept:
        _remember_requests(connection, version_key, {(o.item.tenant_id, o.item.request_key): ids[o.key] for o in kept})
        _insert_analyses(connection, model_id, kept, ids, made.keys(), begun)
        connection.execute(
            update(work_item)
            .where(work_item.c.id.in_([outcome.item.id for outcome in kept]))
            .values(state=ItemState.DONE, finished_at=func.now(), **UNLEASED)
        )
        settle_jobs(connection, [outcome.item.job_id for outcome in kept])
    give_back(connection, token, vanished)
    return {outcome.item.id for outcome in kept}


def _insert_measurements(
    connection: Connection, version_key: int, numbers: Mapping[Key, Measured], *, profiled: bool
) -> dict[Key, int]:
    """Insert what is new, in the order of the keys; returns the ids of the rows that were."""
    if not numbers:
        return {}
    rows = [{**_measurement(key, version_key, numbers[key]), "profiled": profiled} for key in sorted(numbers)]
    inserted = connection.execute(
        insert(measurement)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["tenant_id", "work_key"])
        .returning(measurement.c.id, measurement.c.tenant_id, measurement.c.work_key)
    )
    return {(row.tenant_id, bytes(row.work_key)): row.id for row in inserted}


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


def _measurement(key: Key, version_key: int, measured: Measured) -> dict[str, Any]:
    return {
        "tenant_id": key[0],
        "work_key": key[1],
        "version_key": version_key,
        "definitions": DEFINITIONS,
        "tokens": measured.tokens,
        "turns": measured.turns,
        "speakers": list(measured.speakers),
        "windows": measured.windows,
        "truncated": measured.truncated,
        "left_out_rows": measured.left_out_rows,
        **{name: _number(measured.document[name]) for name in METRIC_NAMES},
    }


def _insert_parts(
    connection: Connection, version_key: int, scale: StoredScale | None, made: Mapping[int, tuple[str, Measured]]
) -> None:
    """The layers, the first windows, the turns and all vectors of new measurements, by COPY."""
    if not made:
        return
    values_of_layer = {"measurement_id": "int8", "layer": "int2", **dict.fromkeys(METRIC_NAMES, "float8")}
    layer_columns = {
        **values_of_layer,
        **{f"{name}_heads": "float4[]" for name in METRIC_NAMES},
        "flow": "float4[]",
    }
    copy_rows(connection, "measurement_layer", layer_columns, _layers(made))
    copy_rows(connection, "measurement_first_window", values_of_layer, _first_windows(made))
    turn_columns = {
        "measurement_id": "int8",
        "turn": "int4",
        "speaker": "int4",
        "tokens": "int4",
        **dict.fromkeys(TURN_METRIC_NAMES, "float8"),
    }
    copy_rows(connection, "measurement_turn", turn_columns, _turns(made))
    size = len(next(measured.embedding for _, measured in made.values()))
    column, kind = embedding_column(size)
    vector_columns = {
        "tenant_id": "text",
        "measurement_id": "int8",
        "version_key": "int8",
        "turn": "int4",
        column: kind,
    }
    copy_rows(connection, "embedding", vector_columns, _vectors(version_key, made))
    layer_vector_columns = {"measurement_id": "int8", "layer": "int2", column: kind}
    copy_rows(connection, "layer_embedding", layer_vector_columns, _layer_vectors(made))
    if scale is not None:
        heads = {name: np.stack([measured.heads[name] for _, measured in made.values()]) for name in PROFILE_METRICS}
        insert_profiles(connection, scale, {key: tenant_id for key, (tenant_id, _) in made.items()}, heads)


def _layers(made: Mapping[int, tuple[str, Measured]]) -> Iterable[tuple[Any, ...]]:
    for measurement_id, (_, measured) in made.items():
        for layer in range(len(measured.layers[METRIC_NAMES[0]])):
            yield (
                measurement_id,
                layer,
                *(_number(measured.layers[name][layer]) for name in METRIC_NAMES),
                *(np.asarray(measured.heads[name][layer], np.float32) for name in METRIC_NAMES),
                None if measured.flow is None else measured.flow[layer],
            )


def _first_windows(made: Mapping[int, tuple[str, Measured]]) -> Iterable[tuple[Any, ...]]:
    for measurement_id, (_, measured) in made.items():
        if measured.first_layers is None:
            continue
        for layer, values in enumerate(zip(*(measured.first_layers[name] for name in METRIC_NAMES), strict=True)):
            yield measurement_id, layer, *map(_number, values)


def _turns(made: Mapping[int, tuple[str, Measured]]) -> Iterable[tuple[Any, ...]]:
    for measurement_id, (_, measured) in made.items():
        if measured.turn_tokens is None or measured.turn_speakers is None or measured.turn_metrics is None:
            continue
        for turn, (tokens, speaker) in enumerate(zip(measured.turn_tokens, measured.turn_speakers, strict=True)):
            values = (_number(measured.turn_metrics[name][turn]) for name in TURN_METRIC_NAMES)
            yield measurement_id, turn, None if speaker < 0 else int(speaker), int(tokens), *values


def _vectors(version_key: int, made: Mapping[int, tuple[str, Measured]]) -> Iterable[tuple[Any, ...]]:
    """The document's vector, then each turn's; what has no token of its own has no vector."""
    for measurement_id, (tenant_id, measured) in made.items():
        turns = measured.turn_embeddings if measured.turn_embeddings is not None else ()
        for turn, vector in ((None, measured.embedding), *enumerate(turns)):
            if not np.isnan(vector).all():
                yield tenant_id, measurement_id, version_key, turn, vector


def _layer_vectors(made: Mapping[int, tuple[str, Measured]]) -> Iterable[tuple[Any, ...]]:
    """The document's vector at each layer, where that was asked for and the document has a token of its own."""
    for measurement_id, (_, measured) in made.items():
        if measured.layer_embeddings is not None and not np.isnan(measured.layer_embeddings).all():
            for layer, vector in enumerate(measured.layer_embeddings):
                yield measurement_id, layer, vector


def _remember_requests(connection: Connection, version_key: int, measurements: Mapping[Key, int]) -> None:
    rows = [
        {
            "tenant_id": tenant_id,
            "request_key": request_key,
            "version_key": version_key,
            "measurement_id": measurements[tenant_id, request_key],
        }
        for tenant_id, request_key in sorted(measurements)
    ]
    connection.execute(insert(known_request).values(rows).on_conflict_do_nothing())


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
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        item = outcome.item
        cached = outcome.measured is None or outcome.key not in fresh
        fresh.discard(outcome.key)
        rows.append(
            {
                "id": new_identifier("an"),
                "tenant_id": item.tenant_id,
                "job_id": item.job_id,
                "work_item_id": item.id,
                "document_id": item.document_id,
                "measurement_id": ids[outcome.key],
                "model_id": model_id,
                "listed": item.listed,
                "cached": cached,
                "timing": {
                    "queued_ms": round((item.started_at - item.queued_at).total_seconds() * 1000, 3),
                    "tokenize_ms": round(outcome.tokenize_ms, 3),
                    "forward_ms": 0.0 if cached else round(outcome.forward_ms, 3),
                    "store_ms": round((time.perf_counter() - begun) * 1000, 3),
                },
            }
        )
    connection.execute(insert(analysis), rows)


def _number(value: Any) -> float | None:
    """NaN, which stands for undefined, becomes null."""
    number = float(value)
    return None if np.isnan(number) else number
