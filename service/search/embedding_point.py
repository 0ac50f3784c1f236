"""The input of a search among embeddings as a point of that space."""

from collections.abc import Sequence

from models.queries.reading.model_status import present_version
from models.queries.search.nearest import vector_of_analysis
from models.queries.search.vectors import Scope, VectorIndex
from models.schemas.search import SearchRequest
from service.context import AppContext
from service.http.problems import ANALYSIS_UNKNOWN, INVALID_REQUEST, field_problem
from service.search.query_point import QueryPoint, model_of, read_by_worker, unit_vector, wrong_dimension


async def embedding_point(context: AppContext, tenant: str, body: SearchRequest) -> QueryPoint:
    """The embedding of the request's input. Raises a `Problem` where it has none, or no worker reads it in time."""
    if body.analysis_id is not None:
        return await _of_analysis(context, tenant, body, body.analysis_id)
    model_id = context.served(body.model).id
    if body.vector is not None:
        return await _of_vector(context, body, model_id, body.vector)
    version_key, vector = await read_by_worker(context, tenant, body, model_id)
    return _among_embeddings(body, model_id, version_key, vector)


async def _of_vector(
    context: AppContext, body: SearchRequest, model_id: str, sent: Sequence[float | None]
) -> QueryPoint:
    vector = [value for value in sent if value is not None]
    if len(vector) < len(sent):
        raise field_problem(INVALID_REQUEST, "/vector", "An embedding has a number in every place, and no null.")
    unit = unit_vector(vector, "/vector")
    version = await context.database.run(present_version, model_id)
    if version is None:
        return QueryPoint(model_id, None)
    if version.dimension != len(vector):
        raise wrong_dimension(f"those of {model_id}", len(vector), version.dimension)
    return _among_embeddings(body, model_id, version.key, unit)


async def _of_analysis(context: AppContext, tenant: str, body: SearchRequest, analysis_id: str) -> QueryPoint:
    found = await context.database.run(vector_of_analysis, tenant, analysis_id)
    if found is None:
        raise field_problem(ANALYSIS_UNKNOWN, "/analysis_id", f"There is no analysis {analysis_id} with an embedding.")
    version_key, vector = found
    return _among_embeddings(body, await model_of(context, body, version_key), version_key, vector)


def _among_embeddings(body: SearchRequest, model_id: str, version_key: int, vector: Sequence[float]) -> QueryPoint:
    scope: Scope = "turn" if body.scope == "turns" else "document"
    return QueryPoint(model_id, version_key, VectorIndex(version_key, len(vector), scope), vector)
