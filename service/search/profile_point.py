"""The input of a search among attention profiles as a point of that space. Loads numpy."""

import math
from collections.abc import Sequence

import numpy as np

from models.queries.reading.model_status import present_version
from models.queries.search.profiles import StoredScale, find_scale, profile_of_analysis
from models.schemas.search import SearchRequest
from service.context import AppContext
from service.http.problems import ANALYSIS_UNKNOWN, field_problem
from service.search.query_point import QueryPoint, model_of, read_by_worker, unit_vector, wrong_dimension


async def profile_point(context: AppContext, tenant: str, body: SearchRequest) -> QueryPoint:
    """The profile of the request's input. Raises a `Problem` where it has none, or no worker reads it in time."""
    if body.analysis_id is not None:
        return await _of_analysis(context, tenant, body, body.analysis_id)
    model_id = context.served(body.model).id
    if body.vector is not None:
        return await _of_vector(context, model_id, body.vector)
    version_key, point = await read_by_worker(context, tenant, body, model_id)
    return _among_profiles(model_id, version_key, await context.database.run(find_scale, version_key), point)


async def _of_vector(context: AppContext, model_id: str, sent: Sequence[float | None]) -> QueryPoint:
    version = await context.database.run(present_version, model_id)
    if version is None:
        return QueryPoint(model_id, None)
    stored = await context.database.run(find_scale, version.key)
    if stored is None:
        return QueryPoint(model_id, version.key)
    numbers = len(stored.scale.means)
    if numbers != len(sent):
        raise wrong_dimension(f"profiles of {model_id}", len(sent), numbers)
    measured = np.array([[math.nan if value is None else value for value in sent]])
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large to have a direction are refused
        point = stored.scale.points(measured)[0].tolist()
    return _among_profiles(model_id, version.key, stored, unit_vector(point, "/vector"))


async def _of_analysis(context: AppContext, tenant: str, body: SearchRequest, analysis_id: str) -> QueryPoint:
    found = await context.database.run(profile_of_analysis, tenant, analysis_id)
    if found is None:
        raise field_problem(ANALYSIS_UNKNOWN, "/analysis_id", f"There is no analysis {analysis_id}.")
    version_key, stored, vector = found
    model_id = await model_of(context, body, version_key)
    point = vector if stored is None else unit_vector(vector, "/analysis_id")
    return _among_profiles(model_id, version_key, stored, point)


def _among_profiles(model_id: str, version_key: int, stored: StoredScale | None, point: Sequence[float]) -> QueryPoint:
    if stored is None:
        return QueryPoint(model_id, version_key)
    return QueryPoint(model_id, version_key, stored.index, point, len(stored.scale.means))
