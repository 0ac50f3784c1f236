"""Analyses as clients see them: lists with filters and sorting, one with its layers, heads and flow.

A query that says so has several statements; the service calls it by `Database.read`, on one snapshot.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from attention.definitions import METRIC_NAMES, TURN_METRIC_NAMES
from models.queries.reading.filters import AnalysisFilter, filtered, value_of
from models.tables import (
    analysis,
    document,
    embedding,
    job,
    measurement,
    measurement_layer,
    measurement_turn,
    model_version,
    turn_embedding,
    work_item,
)


@dataclass(frozen=True, slots=True)
class AnalysisPosition:
    """The last row of a page: its time of making and id, and its value where the list is sorted by a metric."""

    created_at: datetime
    id: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class StoredAnalysis:
    """An analysis with everything that is stored of it and was asked for.

    `row` has the document's numbers, what it was taken for (`reading`, of a transcript), and of `layer` and each metric
    the values of every layer, in order, under the name that `by_layer` gives. `heads` are the heads of each metric,
    layer by layer, `turns` rows in order, `flows` the flow of each layer read: T x (T + 1) numbers row by row, None
    where none is kept. `times` are the start and the end of each turn, `embedding` the document's vector, None where it
    has none, and `turn_embeddings` the vectors of turns by number; all where they were asked for. Heads, flows and
    vectors are as PostgreSQL sends them (`models.arrays.reals`).
    """

    row: Row[Any]
    heads: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    turns: Sequence[Row[Any]] = ()
    flows: Sequence[bytes | None] = ()
    times: Sequence[tuple[float | None, float | None]] = ()
    embedding: bytes | None = None
    turn_embeddings: Mapping[int, bytes] = field(default_factory=dict)


def by_layer(name: str) -> str:
    """What the values of every layer are called in a row: of `layer` or of a metric."""
    return f"{name}_by_layer"


def read_analysis(
    connection: Connection,
    tenant_id: str,
    analysis_id: str,
    *,
    parts: Set[str] = frozenset(),
    layer: int | None = None,
    most_numbers: int = 0,
) -> StoredAnalysis | None:
    """The tenant's analysis with its layers and `parts` of `heads`, `turns`, `flow` and `embedding`.

    Each part takes a statement or two. The flow is that of all layers or of one. It and the vectors of turns are left
    out where they have more than `most_numbers`.
    """
    row = connection.execute(_whole_by_id(), {"tenant": tenant_id, "analysis": analysis_id}).one_or_none()
    if row is None:
        return None
    depth = len(row._mapping[by_layer("layer")])
    heads = _heads_of(connection, row.measurement_id) if "heads" in parts else {}
    turns = _turns_of(connection, row.measurement_id) if parts & {"flow", "turns"} else ()
    fits = row.turns is not None and flow_size(row.turns, depth if layer is None else 1) <= most_numbers
    flows = _flow_of(connection, row.measurement_id, layer) if "flow" in parts and fits else ()
    times = _times_of(connection, analysis_id) if "turns" in parts and row.turns is not None else ()
    if "embedding" not in parts:
        return StoredAnalysis(row, heads, turns, flows, times)
    few = row.turns is not None and row.turns * row.dimension <= most_numbers
    vectors = (_embedding_of(connection, row.measurement_id), _turn_embeddings_of(connection, row) if few else {})
    return StoredAnalysis(row, heads, turns, flows, times, *vectors)


def flow_size(turns: int, layers: int) -> int:
    """How many numbers the flow between so many turns has in so many layers."""
    return turns * (turns + 1) * layers


def made_by_job(connection: Connection, tenant_id: str, job_id: str) -> Row[Any] | None:
    """State, reason and message of a job of one document, and beside them the row of the analysis that it made.

    The columns of the analysis are those of `StoredAnalysis.row`, all null as long as there is none.
    """
    return connection.execute(_whole_by_job(), {"tenant": tenant_id, "job": job_id}).one_or_none()


def list_analyses(
    connection: Connection,
    tenant_id: str,
    wanted: AnalysisFilter,
    *,
    metric: str | None,
    descending: bool,
    after: AnalysisPosition | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """A page of analyses by the time of their making, or by a metric (undefined values last, then newest first).

    The value that is sorted by is each row's `place`.
    """
    query = filtered(_view(), tenant_id, wanted)
    if metric is None:
        place = tuple_(analysis.c.created_at, analysis.c.id)
        if after is not None:
            last = (after.created_at, after.id)
            query = query.where(place < last if descending else place > last)
        made = (analysis.c.created_at, analysis.c.id)
        return connection.execute(query.order_by(*(c.desc() if descending else c for c in made)).limit(limit)).all()
    value = value_of(wanted, metric)
    query = query.add_columns(value.label("place"))
    if after is not None:
        query = query.where(_beyond(value, descending, after))
    order = (value.desc() if descending else value.asc()).nulls_last()
    return connection.execute(query.order_by(order, analysis.c.id.desc()).limit(limit)).all()


def list_analyses_with_layers(
    connection: Connection, tenant_id: str, wanted: AnalysisFilter, *, after: AnalysisPosition | None, limit: int
) -> Sequence[tuple[Row[Any], Sequence[Row[Any]]]]:
    """A page of analyses, oldest first, each with its layers. Several statements."""
    rows = list_analyses(connection, tenant_id, wanted, metric=None, descending=False, after=after, limit=limit)
    by_measurement = defaultdict(list)
    for layer in _layers_of(connection, list({row.measurement_id for row in rows})):
        by_measurement[layer.measurement_id].append(layer)
    return [(row, by_measurement[row.measurement_id]) for row in rows]


@cache  # making such a statement takes longer than executing it
def _whole_by_id() -> Select[Any]:
    tenant_id, analysis_id = bindparam("tenant", type_=Text), bindparam("analysis", type_=Text)
    return _whole().where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)


@cache
def _whole_by_job() -> Select[Any]:
    tenant_id, job_id = bindparam("tenant", type_=Text), bindparam("job", type_=Text)
    made = _whole().where(analysis.c.job_id == job_id, analysis.c.tenant_id == tenant_id).order_by(analysis.c.id)
    first = made.limit(1).lateral("made")
    of_job = (job.c.state.label("job_state"), job.c.reason.label("job_reason"), job.c.message.label("job_message"))
    return (
        select(*of_job, *first.c)
        .join_from(job, first, true(), isouter=True)
        .where(job.c.tenant_id == tenant_id, job.c.id == job_id)
    )


def _whole() -> Select[Any]:
    """Analyses with their layers, and what their documents were taken for."""
    layers = _layers()
    return _view().add_columns(document.c.reading, *layers.c).join(layers, true())


def _layers() -> FromClause:
    """The layers of `measurement` as one row: of each metric the values of every layer, in order."""
    columns = [measurement_layer.c[name] for name in ("layer", *METRIC_NAMES)]
    ordered = (func.array_agg(aggregate_order_by(column, measurement_layer.c.layer)) for column in columns)
    return (
        select(*(values.label(by_layer(column.name)) for values, column in zip(ordered, columns, strict=True)))
        .where(measurement_layer.c.measurement_id == measurement.c.id)
        .lateral("layers")
    )


def _heads_of(connection: Connection, measurement_id: int) -> dict[str, list[bytes]]:
    """The heads of each metric, layer by layer."""
    rows = connection.execute(_heads(), {"measurement": measurement_id}).all()
    return {name: [row._mapping[name] for row in rows] for name in METRIC_NAMES}


@cache
def _heads() -> Select[Any]:
    columns = (_sent(measurement_layer.c[f"{name}_heads"]).label(name) for name in METRIC_NAMES)
    of_one = measurement_layer.c.measurement_id == bindparam("measurement", type_=BigInteger)
    return select(measurement_layer.c.layer, *columns).where(of_one).order_by(measurement_layer.c.layer)


def _sent(array: ColumnElement[Any]) -> ColumnElement[bytes]:
    """An array as bytes, without a number made into text and back."""
    return func.array_send(array, type_=LargeBinary)


def _layers_of(connection: Connection, measurement_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """The layers of measurements in order."""
    columns = [measurement_layer.c.measurement_id, measurement_layer.c.layer]
    columns += [measurement_layer.c[name] for name in METRIC_NAMES]
    return connection.execute(
        select(*columns)
        .where(measurement_layer.c.measurement_id.in_(measurement_ids))
        .order_by(measurement_layer.c.measurement_id, measurement_layer.c.layer)
    ).all()


def _turns_of(connection: Connection, measurement_id: int) -> Sequence[Row[Any]]:
    """The turns of a measurement in order: turn, speaker (its index), tokens, and every metric that a turn has."""
    columns = [measurement_turn.c.turn, measurement_turn.c.speaker, measurement_turn.c.tokens]
    columns += [measurement_turn.c[name] for name in TURN_METRIC_NAMES]
    return connection.execute(
        select(*columns).where(measurement_turn.c.measurement_id == measurement_id).order_by(measurement_turn.c.turn)
    ).all()


def _flow_of(connection: Connection, measurement_id: int, layer: int | None = None) -> Sequence[bytes | None]:
    """The flow of each layer of a measurement, or of one: T x (T + 1) numbers row by row, None where none is kept."""
    query = select(_sent(measurement_layer.c.flow)).where(measurement_layer.c.measurement_id == measurement_id)
    if layer is not None:
        query = query.where(measurement_layer.c.layer == layer)
    return connection.execute(query.order_by(measurement_layer.c.layer)).scalars().all()


def _embedding_of(connection: Connection, measurement_id: int) -> bytes | None:
    """The vector of a measurement's document."""
    of_one = embedding.c.measurement_id == measurement_id
    return connection.execute(select(_sent_vector(embedding)).where(of_one)).scalar_one_or_none()


def _turn_embeddings_of(connection: Connection, row: Row[Any]) -> dict[int, bytes]:
    """The vectors of a measurement's turns, of those that have one."""
    of_one = turn_embedding.c.measurement_id == row.measurement_id
    rows = connection.execute(select(turn_embedding.c.turn, _sent_vector(turn_embedding).label("vector")).where(of_one))
    return {each.turn: each.vector for each in rows}


def _sent_vector(table: Table) -> ColumnElement[bytes]:
    """Either form of a row's vector."""
    return _sent(func.coalesce(cast(table.c.embedding, ARRAY(REAL)), table.c.wide))


def _view() -> Select[Any]:
    return (
        select(
            analysis.c.id,
            analysis.c.job_id,
            analysis.c.created_at,
            analysis.c.model_id,
            analysis.c.cached,
            analysis.c.timing,
            analysis.c.measurement_id,
            document.c.dataset_id,
            document.c.domain,
            document.c.external_id,
            document.c.labels,
            measurement.c.definitions,
            measurement.c.tokens,
            measurement.c.turns,
            measurement.c.speakers,
            measurement.c.windows,
            measurement.c.truncated,
            measurement.c.left_out_rows,
            *(measurement.c[name] for name in METRIC_NAMES),
            model_version.c.revision,
            model_version.c.dimension,
        )
        .join_from(analysis, document)
        .join(measurement)
        .join(model_version, model_version.c.key == measurement.c.version_key)
    )


def _times_of(connection: Connection, analysis_id: str) -> Sequence[tuple[float | None, float | None]]:
    """The start and the end of each turn in seconds, None where the document does not tell them.

    None at all of turns that were measured in another order.
    """
    turns = func.jsonb_array_elements(document.c.content["turns"])
    turn = turns.table_valued(column("value", JSONB), with_ordinality="number").render_derived()
    columns = [cast(turn.c.value[name].astext, Double) for name in ("start", "end")]
    query = (
        select(*columns)
        .select_from(analysis.join(document).join(work_item, work_item.c.id == analysis.c.work_item_id))
        .join(turn, true())
        .where(analysis.c.id == analysis_id, document.c.content.has_key("turns"))
        .where(work_item.c.options["control"].astext.is_distinct_from("shuffled_turns"))
        .order_by(turn.c.number)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def _beyond(value: ColumnElement[Any], descending: bool, after: AnalysisPosition) -> ColumnElement[bool]:
    """Rows after the position in the order value, then id from new to old, undefined values last."""
    older = analysis.c.id < after.id
    if after.value is None:
        return and_(value.is_(None), older)
    further = value < after.value if descending else value > after.value
    return or_(further, value.is_(None), and_(value == after.value, older))
