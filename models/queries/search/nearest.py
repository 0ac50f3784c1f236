"""Nearest neighbours by cosine: exactly among few candidates, through the graphs of their index among many.

The graphs know neither tenants nor filters, so they are applied as each is walked (`hnsw.iterative_scan`). The vectors
that have no graph yet are all compared beside them. A walk that ends before enough was found is followed by the exact
search. The answer says which one it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from models.queries.search.segments import Segment, ready_segments
from models.queries.search.stored_vectors import cosine_distance, embedding_text, point_parameters, read_vector
from models.queries.search.vectors import VectorIndex
from models.tables import analysis, embedding

EXACT_CANDIDATES = 10_000
"""Up to so many vectors are compared one by one, which takes a few milliseconds."""
MOST_ANALYSES = 100
RERANKED = 4
"""Where the index keeps vectors inexactly, so many times k candidates are ranked by their exact distance."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The analyses that are compared: a tenant's, under a filter."""

    tenant_id: str
    domain: str | None = None
    dataset_id: str | None = None
    external_ids: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    job_id: str | None = None
    without_analysis: str | None = None


@dataclass(frozen=True, slots=True)
class NearestQuery:
    """A search for the k vectors of an index nearest to `vector`, among the candidates."""

    candidates: Candidates
    index: VectorIndex
    vector: Sequence[float]
    k: int


def nearest(connection: Connection, query: NearestQuery) -> tuple[Sequence[Row[Any]], bool]:
    """The k nearest measurements (or turns of them), nearest first, and whether every candidate was compared.

    Each has in `analyses` the ids of those of its analyses that are candidates, the newest first and at most
    `MOST_ANALYSES`; what else a row says is of the newest.
    """
    parameters = _point(query)
    if query.index.kind == "array":
        return connection.execute(_statement(query, _EXACTLY), parameters).all(), True
    counted = _statement(query, _COUNT, candidates=EXACT_CANDIDATES + 1)
    candidates = connection.execute(counted, parameters).scalar_one()
    if candidates > EXACT_CANDIDATES and (segments := ready_segments(connection, query.index)):
        connection.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
        connection.execute(text(f"SET LOCAL hnsw.ef_search = {min(1000, max(100, 2 * query.k * RERANKED))}"))
        found = connection.execute(_statement(query, through_graphs(query.index, segments)), parameters).all()
        if len(found) == query.k:
            return found, False
    return connection.execute(_statement(query, _EXACTLY), parameters).all(), True


def without_profile(connection: Connection, candidates: Candidates, version_key: int) -> int:
    """How many candidates of the model version have no profile yet, and so are not found in that space."""
    statement = _WITHOUT_PROFILE.format(version_key=version_key, conditions=_conditions(candidates))
    return int(connection.execute(_bound(statement, candidates), _parameters(candidates)).scalar_one())


_WITHOUT_PROFILE = """
    SELECT count(DISTINCT measurement.id) FROM measurement
    JOIN analysis ON analysis.measurement_id = measurement.id
    JOIN document ON document.id = analysis.document_id
    WHERE measurement.version_key = {version_key} AND NOT measurement.profiled
      AND measurement.tenant_id = :tenant_id AND analysis.tenant_id = :tenant_id {conditions}
"""
_USES = """
    FROM analysis JOIN document ON document.id = analysis.document_id
    WHERE analysis.measurement_id = {measurement} AND analysis.tenant_id = :tenant_id {{conditions}}
"""
_MATCHING = (
    " FROM {table} AS stored WHERE stored.tenant_id = :tenant_id AND {among} AND EXISTS (SELECT"
    + _USES.format(measurement="stored.measurement_id")
    + ")"
)
_COUNT = "SELECT count(*) FROM (SELECT 1" + _MATCHING + " LIMIT {candidates}) AS counted"
_CANDIDATE = "SELECT stored.measurement_id, {turn} AS turn, {distance} AS distance"
_BEST = f"""
    SELECT hit.analyses[1] AS analysis_id, hit.analyses, best.turn, document.domain, document.external_id,
        CASE WHEN best.turn IS NULL THEN document.content ELSE document.content->'turns'->best.turn END AS said,
        document.content->'messages'->best.turn AS message,
        best.distance
    FROM (SELECT * FROM candidate ORDER BY distance, measurement_id LIMIT :k) AS best
    CROSS JOIN LATERAL (
        SELECT array(
            SELECT analysis.id {_USES.format(measurement="best.measurement_id")}
            ORDER BY analysis.created_at DESC, analysis.id DESC LIMIT {MOST_ANALYSES}
        ) AS analyses
    ) AS hit
    JOIN analysis ON analysis.id = hit.analyses[1]
    JOIN document ON document.id = analysis.document_id
    ORDER BY best.distance, best.measurement_id
"""
# Materialized, so that the planner cannot walk a graph for what is to be exact, nor order anew what a graph gave.
_EXACTLY = "WITH candidate AS MATERIALIZED (" + _CANDIDATE + _MATCHING + ")" + _BEST
_APPROXIMATE = {
    "vector": "({expression}) <=> CAST(:vector AS vector({dimension}))",
    "halfvec": "({expression}) <=> CAST(:vector AS halfvec({dimension}))",
    "bit": "({expression}) <~> binary_quantize(CAST(:vector AS vector({dimension})))::bit({dimension})",
}


def through_graphs(index: VectorIndex, segments: Sequence[Segment]) -> str:
    """The template of a search in each graph and among all vectors beyond the last one."""
    of_graph = f"({_CANDIDATE}{_MATCHING} ORDER BY {{approximate}} LIMIT :candidates)"
    beyond = f"({_CANDIDATE}{_MATCHING} ORDER BY distance LIMIT :k)"
    parts = [of_graph.replace("{among}", index.among("stored", each.low, each.high)) for each in segments]
    parts.append(beyond.replace("{among}", index.among("stored", segments[-1].high)))
    return f"WITH candidate AS MATERIALIZED ({' UNION ALL '.join(parts)}){_BEST}"


def _statement(query: NearestQuery, template: str, *, candidates: int = 0) -> TextClause:
    """The template filled from the index's definition, and never with anything that a client sent."""
    index = query.index
    approximate = ""
    if index.kind != "array":
        expression = index.expression("stored")
        approximate = _APPROXIMATE[index.kind].format(expression=expression, dimension=index.dimension)
    statement = template.format(
        table=index.table,
        turn="stored.turn" if index.scope == "turn" else "CAST(NULL AS integer)",
        among=index.among("stored"),
        conditions=_conditions(query.candidates),
        distance=cosine_distance("stored", index.space, index.dimension),
        approximate=approximate,
        candidates=candidates,
    )
    return _bound(statement, query.candidates)


def _conditions(candidates: Candidates) -> str:
    conditions = [condition for name, condition in _CONDITIONS.items() if getattr(candidates, name)]
    if candidates.job_id is None:
        conditions.append("AND analysis.listed")
    return " ".join(conditions)


def _bound(statement: str, candidates: Candidates) -> TextClause:
    bound = [bindparam("labels", type_=JSONB)] if candidates.labels else []
    return text(statement.replace("::", "\\:\\:")).bindparams(*bound)


_CONDITIONS = {
    "domain": "AND document.domain = :domain",
    "dataset_id": "AND document.dataset_id = :dataset_id",
    "external_ids": "AND document.external_id = ANY(:external_ids)",
    "labels": "AND document.labels @> :labels",
    "job_id": "AND analysis.job_id = :job_id",
    "without_analysis": "AND analysis.id <> :without_analysis",
}


def _parameters(candidates: Candidates) -> dict[str, Any]:
    given = {name: getattr(candidates, name) for name in _CONDITIONS if getattr(candidates, name)}
    return {**given, "tenant_id": candidates.tenant_id}


def _point(query: NearestQuery) -> dict[str, Any]:
    multiple = 1 if query.index.kind == "vector" else RERANKED
    return {
        **_parameters(query.candidates),
        **point_parameters(query.vector),
        "k": query.k,
        "candidates": query.k * multiple,
    }


def vector_of_analysis(connection: Connection, tenant_id: str, analysis_id: str) -> tuple[int, list[float]] | None:
    """Version key and document vector of the tenant's analysis; None where there is no such analysis or vector."""
    stored = (
        select(embedding.c.version_key, embedding_text(embedding).label("vector"))
        .join_from(embedding, analysis, analysis.c.measurement_id == embedding.c.measurement_id)
        .where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)
    )
    row = connection.execute(stored).one_or_none()
    return None if row is None else (row.version_key, read_vector(row.vector))
