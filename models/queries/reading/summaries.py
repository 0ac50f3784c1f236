"""The groups of a comparison as its job measured them: the numbers that its summary is made from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, func, select

from attention.definitions import METRIC_NAMES
from models.queries.reading.layer_arrays import (
    StoredHeads,
    StoredLayerEmbeddings,
    find_layer_embeddings,
    read_embeddings,
    read_first_windows,
    read_layers,
)
from models.states import ItemState
from models.tables import analysis, document, measurement, model_version, work_item


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredGroup:
    """What was measured of one group's n documents under a model of L layers with H heads; NaN is undefined.

    Metrics that no document of the group has are left out. `clusters` is None where no document names one; a document
    without a cluster is then one by itself. `skipped` counts the documents that failed, by reason. `own_tokens` are
    those read of each document without special tokens; `architecture` is None where versions of several were used.
    `first_windows` is None where none was measured.
    """

    analysis_ids: list[str]
    documents: list[str]
    clusters: list[str] | None
    overall: dict[str, NDArray[np.float64]]  # (n,)
    layers: dict[str, NDArray[np.float64]]  # (n, L)
    heads: Mapping[str, NDArray[np.float32]]  # (n, L, H), read one metric at a time
    embeddings: NDArray[np.float32] | None  # (n, d)
    layer_embeddings: StoredLayerEmbeddings | None
    skipped: dict[str, int]
    own_tokens: NDArray[np.float64]  # (n,)
    architecture: str | None
    first_windows: dict[str, NDArray[np.float64]] | None  # (n, L)


def measured_group(connection: Connection, job_id: str, position: int) -> MeasuredGroup:
    """The measured documents of the group at this position of the request, in the order of their submission."""
    rows = connection.execute(
        select(
            analysis.c.id,
            analysis.c.measurement_id,
            func.coalesce(analysis.c.document_id, analysis.c.id).label("document"),
            document.c.cluster,
            measurement.c.tokens,
            measurement.c.windows,
            measurement.c.version_key,
            *(measurement.c[name] for name in METRIC_NAMES),
        )
        .join_from(work_item, analysis, analysis.c.work_item_id == work_item.c.id)
        .join(measurement, analysis.c.measurement_id == measurement.c.id)
        .outerjoin(document, analysis.c.document_id == document.c.id)
        .where(work_item.c.job_id == job_id, work_item.c.group_position == position)
        .order_by(work_item.c.id)
    ).all()
    ids = [row.measurement_id for row in rows]
    overall = {name: _floats([row._mapping[name] for row in rows]) for name in METRIC_NAMES}
    names = [name for name in METRIC_NAMES if not np.isnan(overall[name]).all()]
    facts = _facts(connection, {row.version_key for row in rows})
    special = {key: found.get("special_tokens") for key, found in facts.items()}
    architectures = {found["architecture"] for found in facts.values()}
    return MeasuredGroup(
        analysis_ids=[row.id for row in rows],
        documents=[row.document for row in rows],
        clusters=_clusters(rows),
        overall={name: overall[name] for name in names},
        layers=read_layers(connection, ids, names),
        heads=StoredHeads(connection.engine, ids, names),
        embeddings=read_embeddings(connection, ids),
        layer_embeddings=find_layer_embeddings(connection, ids),
        skipped=_skipped(connection, job_id, position),
        own_tokens=_floats(
            [
                None if special[row.version_key] is None else row.tokens - row.windows * special[row.version_key]
                for row in rows
            ]
        ),
        architecture=architectures.pop() if len(architectures) == 1 else None,
        first_windows=read_first_windows(connection, ids, names),
    )


def contents_of_group(connection: Connection, job_id: str, position: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and content of each measured document of the group, as they come from the database."""
    chosen = (
        select(document.c.id, document.c.content)
        .join_from(work_item, document, work_item.c.document_id == document.c.id)
        .where(
            work_item.c.job_id == job_id, work_item.c.group_position == position, work_item.c.state == ItemState.DONE
        )
        .order_by(work_item.c.id)
        .execution_options(yield_per=256)
    )
    for row in connection.execute(chosen):
        yield row.id, row.content


def _facts(connection: Connection, version_keys: set[int]) -> dict[int, dict[str, Any]]:
    rows = connection.execute(
        select(model_version.c.key, model_version.c.facts).where(model_version.c.key.in_(version_keys))
    )
    return {row.key: row.facts for row in rows}


def _clusters(rows: Sequence[Row[Any]]) -> list[str] | None:
    if all(row.cluster is None for row in rows):
        return None
    return [row.document if row.cluster is None else row.cluster for row in rows]


def _skipped(connection: Connection, job_id: str, position: int) -> dict[str, int]:
    failed = (
        select(work_item.c.reason, func.count())
        .where(
            work_item.c.job_id == job_id, work_item.c.group_position == position, work_item.c.state == ItemState.FAILED
        )
        .group_by(work_item.c.reason)
    )
    return dict(connection.execute(failed).all())


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)
