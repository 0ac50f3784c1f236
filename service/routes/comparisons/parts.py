"""The large parts of a comparison's result, page by page: the points of its maps, the tests of its heads."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from sqlalchemy import Connection, Row

from models.errors import NotFound
from models.queries.reading.comparisons import heads_of, list_points
from models.schemas.comparisons import HeadTestsOfMetric, Point
from models.schemas.listing import Page
from models.schemas.strings import Storable
from service.auth.tenant import Secured, Tenant
from service.context import AppContextDep
from service.http.bodies import JsonRoute
from service.http.openapi import problems
from service.http.paging import Cursor, by_number, read_page
from service.http.problems import BAD_CURSOR, NO_RESULT_YET, NOT_FOUND
from service.routes.comparisons.files import succeeded

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"], route_class=JsonRoute, dependencies=[Secured])


@router.get("/{comparison_id}/points", responses=problems(NOT_FOUND, NO_RESULT_YET, BAD_CURSOR))
async def get_points(
    comparison_id: Storable,
    context: AppContextDep,
    tenant: Tenant,
    space: Literal["embedding", "profile"] = "embedding",
    layer: Annotated[int | None, Query(ge=0, le=10_000, description="Of the map of this layer.")] = None,
    limit: Annotated[int, Query(ge=1, le=2_000, description="How many points a page has, at most.")] = 1_000,
    cursor: Cursor = None,
) -> Page[Point]:
    """The points of one map, in the map's own order; an empty page where there is no such map."""
    order = by_number(f"points {comparison_id} {space} {layer}", "place")

    async def read(after: int | None, limit: int) -> Sequence[Row[Any]]:
        return await context.database.read(_points, tenant, comparison_id, space, layer, after or 0, limit)

    return await read_page(order, cursor, limit, read, lambda row: Point(**row.point))


def _points(
    connection: Connection, tenant: str, comparison_id: str, space: str, layer: int | None, after: int, limit: int
) -> Sequence[Row[Any]]:
    succeeded(connection, tenant, comparison_id)
    return list_points(connection, comparison_id, space, layer, after=after, limit=limit)


@router.get("/{comparison_id}/heads", responses=problems(NOT_FOUND, NO_RESULT_YET))
async def get_heads(
    comparison_id: Storable,
    context: AppContextDep,
    tenant: Tenant,
    metric: Annotated[Storable, Query(max_length=100, description="Which metric.", examples=["distance"])],
) -> HeadTestsOfMetric:
    """The tests of every head on one metric."""
    tests = await context.database.read(_heads, tenant, comparison_id, metric)
    if tests is None:
        raise NotFound(f"The comparison {comparison_id} has no heads compared on {metric}.")
    return HeadTestsOfMetric(metric=metric, **tests)


def _heads(connection: Connection, tenant: str, comparison_id: str, metric: str) -> dict[str, Any] | None:
    succeeded(connection, tenant, comparison_id)
    return heads_of(connection, comparison_id, metric)
