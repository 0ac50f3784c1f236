"""Search: the nearest documents or turns."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, Row

from attention.definitions import PROFILE
from models.queries.search.nearest import Candidates, NearestQuery, nearest, without_profile
from models.queries.search.segments import want_index
from models.schemas.search import ProfileSpace, SearchAnswer, SearchRequest
from service.auth.tenant import Secured, Tenant
from service.context import AppContext, AppContextDep
from service.http.bodies import JsonRoute
from service.http.openapi import problems
from service.http.problems import (
    ANALYSIS_UNKNOWN,
    BODY_TOO_LARGE,
    CLASSES,
    DOCUMENT_TOO_LARGE,
    INVALID_REQUEST,
    MALFORMED_JSON,
    MODEL_BUSY,
    MODEL_UNKNOWN,
    UNSUPPORTED_MEDIA_TYPE,
    WRONG_DIMENSION,
    field_problem,
)
from service.search.embedding_point import embedding_point
from service.search.query_point import QueryPoint
from service.views.search import hit_view

router = APIRouter(prefix="/v1/search", tags=["search"], route_class=JsonRoute, dependencies=[Secured])


@router.post(
    "",
    responses=problems(
        MALFORMED_JSON,
        UNSUPPORTED_MEDIA_TYPE,
        BODY_TOO_LARGE,
        DOCUMENT_TOO_LARGE,
        MODEL_UNKNOWN,
        ANALYSIS_UNKNOWN,
        WRONG_DIMENSION,
        MODEL_BUSY,
        *CLASSES["Documents"],
        *CLASSES["Models"],
    ),
)
async def search(body: SearchRequest, context: AppContextDep, tenant: Tenant) -> SearchAnswer:
    """What was measured and is nearest by its embedding or its attention profile.

    A text or conversation is read by a worker first.
    """
    if body.space == "profile" and body.scope == "turns":
        raise field_problem(INVALID_REQUEST, "/scope", "Profiles are of documents; turns have an embedding only.")
    point = await _query_point(context, tenant, body)
    candidates = Candidates(
        tenant_id=tenant,
        domain=body.filter.domain,
        dataset_id=body.filter.dataset_id,
        external_ids=body.filter.external_id,
        labels=body.filter.labels,
        job_id=body.job_id,
        without_analysis=body.analysis_id,
    )
    if point.index is not None and point.index.scope == "turn":
        await context.database.run(want_index, point.index)
    rows, exact, missing = await context.database.read(_nearest, candidates, point, body)
    profile = None
    if body.space == "profile":
        dimension = None if point.index is None else point.index.dimension
        profile = ProfileSpace(definition=PROFILE, numbers=point.profile_numbers, dimension=dimension, missing=missing)
    return SearchAnswer(items=[hit_view(row) for row in rows], exact=exact, model=point.model_id, profile=profile)


async def _query_point(context: AppContext, tenant: str, body: SearchRequest) -> QueryPoint:
    if body.space == "embedding":
        return await embedding_point(context, tenant, body)
    from service.search.profile_point import profile_point  # here, because it loads numpy, which nothing else needs

    return await profile_point(context, tenant, body)


def _nearest(
    connection: Connection, candidates: Candidates, point: QueryPoint, body: SearchRequest
) -> tuple[Sequence[Row[Any]], bool, int]:
    """What is nearest, whether every candidate was compared, and how many have no profile.

    Called by `Database.read`: a profile stored between the two statements would be neither found nor missing.
    """
    rows: Sequence[Row[Any]] = ()
    exact, missing = True, 0
    if point.index is not None:
        rows, exact = nearest(connection, NearestQuery(candidates, point.index, point.vector, body.k))
    if body.space == "profile" and point.version_key is not None:
        missing = without_profile(connection, candidates, point.version_key)
    return rows, exact, missing
