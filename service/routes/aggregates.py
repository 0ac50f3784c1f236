"""Analyses added up: how many there are of each kind, and how a metric is distributed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Row

from attention.definitions import METRIC_NAMES, METRICS
from models.queries.reading.aggregates import Grouping, counts_by, statistics_by
from models.schemas.listing import GroupCount, GroupStatistics, Quantiles, Statistics, Summary
from models.schemas.strings import Storable
from service.auth.tenant import Secured, Tenant
from service.context import AppContextDep
from service.http.filters import NO_SUCH_METRIC, OPEN_ENDED, AnalysisQuery
from service.http.openapi import problems
from service.http.problems import INVALID_REQUEST, field_problem

router = APIRouter(prefix="/v1/analyses", tags=["analyses"], dependencies=[Secured])

MOST_GROUPS = 1_000
_NAMED = {"domain": Grouping("domain"), "model": Grouping("model"), "day": Grouping("day")}
_KNOWN = "`domain`, `model`, `day` or `label.KEY`"
_UNITS = {metric.name: metric.unit for metric in METRICS}


class SummaryQuery(AnalysisQuery):
    """The filters of a list, and by what the analyses are counted."""

    KNOWN = AnalysisQuery.KNOWN | {"by"}


class StatisticsQuery(AnalysisQuery):
    """The filters of a list, and of what the statistics are."""

    KNOWN = AnalysisQuery.KNOWN | {"by", "metric"}


def _grouping(by: str) -> Grouping:
    if by in _NAMED:
        return _NAMED[by]
    kind, _, key = by.partition(".")
    if kind == "label" and key:
        return Grouping("label", key)
    raise field_problem(INVALID_REQUEST, "query:by", f"There is no grouping {by!r}; give {_KNOWN}.")


@router.get("/summary", responses=problems(), openapi_extra={"parameters": OPEN_ENDED})
async def get_summary(
    context: AppContextDep,
    tenant: Tenant,
    query: Annotated[SummaryQuery, Depends()],
    by: Annotated[Storable, Query(description=f"{_KNOWN}; days are those of UTC.")] = "domain",
) -> Summary:
    """How many analyses match, by what they have in common."""
    rows, groups, total = await context.database.single(
        counts_by, tenant, query.filter, _grouping(by), most=MOST_GROUPS
    )
    items = [GroupCount(value=row.value, count=row.count) for row in rows]
    return Summary(by=by, total=total, groups=groups, items=items)


@router.get("/statistics", responses=problems(), openapi_extra={"parameters": OPEN_ENDED})
async def get_statistics(
    context: AppContextDep,
    tenant: Tenant,
    query: Annotated[StatisticsQuery, Depends()],
    metric: Annotated[str, Query(description="A metric's name.")],
    by: Annotated[Storable | None, Query(description=f"{_KNOWN}; without it all are one group.")] = None,
) -> Statistics:
    """How a metric is distributed among the analyses that match, each counting once. With `layer=` that layer's."""
    if metric not in METRIC_NAMES:
        raise field_problem(INVALID_REQUEST, "query:metric", NO_SUCH_METRIC)
    grouping = None if by is None else _grouping(by)
    rows = await context.database.single(statistics_by, tenant, query.filter, metric, grouping, most=MOST_GROUPS)
    items = [_of_group(row) for row in rows]
    return Statistics(metric=metric, unit=_UNITS[metric], layer=query.filter.layer, by=by, items=items)


def _of_group(row: Row[Any]) -> GroupStatistics:
    quantiles = None
    if row.quantiles is not None and row.n:
        quantiles = Quantiles(**dict(zip(Quantiles.model_fields, row.quantiles, strict=True)))
    return GroupStatistics(**{**row._mapping, "quantiles": quantiles})
