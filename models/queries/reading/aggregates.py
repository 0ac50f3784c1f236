"""Analyses added up: how many there are, by what, and how a metric is distributed among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Connection,
    Executable,
    Row,
    Select,
    Text,
    cast,
    func,
    literal,
    null,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from models.queries.reading.filters import AnalysisFilter, filtered, value_of
from models.tables import analysis, document, measurement

EXACTLY: Final = 10_000
"""Up to so many are counted one by one, where nobody asks for groups."""
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

By = Literal["domain", "model", "day", "label"]


@dataclass(frozen=True, slots=True)
class Grouping:
    """By what analyses are grouped: `key` is that of the label."""

    by: By
    key: str = ""

    @property
    def column(self) -> ColumnElement[str | None]:
        """What analyses of a group have in common, as text; null where they have none."""
        if self.by == "domain":
            return document.c.domain
        if self.by == "model":
            return analysis.c.model_id
        if self.by == "day":
            return func.to_char(func.timezone("UTC", analysis.c.created_at), literal("YYYY-MM-DD"))
        label: ColumnElement[str | None] = document.c.labels[self.key].astext
        return label


class _Explained(Executable, ClauseElement):
    """What the planner expects of a query, as JSON."""

    inherit_cache = False

    def __init__(self, query: Select[Any]) -> None:
        self.query = query


@compiles(_Explained)
def _explain(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.query, **options)}"


def count_analyses(connection: Connection, tenant_id: str, wanted: AnalysisFilter) -> tuple[int, bool]:
    """How many match, and whether that was counted: above `EXACTLY` it is what the planner expects, if that is more."""
    matching = filtered(_from(literal(1)), tenant_id, wanted)
    some = matching.limit(EXACTLY + 1).subquery()
    counted = connection.execute(select(func.count()).select_from(some)).scalar_one()
    if counted <= EXACTLY:
        return counted, True
    plan = connection.execute(_Explained(matching)).scalar_one()
    return max(counted, round(plan[0]["Plan"]["Plan Rows"])), False


def counts_by(
    connection: Connection, tenant_id: str, wanted: AnalysisFilter, grouping: Grouping, *, most: int
) -> tuple[Sequence[Row[Any]], int, int]:
    """The largest groups (`value`, `count`), at most `most` of them; how many groups and analyses there are in all."""
    value = cast(grouping.column, Text)
    grouped = filtered(_from(value.label("value"), func.count().label("count")), tenant_id, wanted).group_by(value)
    groups = grouped.cte("groups")
    rows = connection.execute(
        select(groups, func.count().over().label("groups"), func.sum(groups.c.count).over().label("total"))
        .order_by(groups.c.count.desc(), groups.c.value)
        .limit(most)
    ).all()
    return rows, rows[0].groups if rows else 0, int(rows[0].total) if rows else 0


def statistics_by(
    connection: Connection,
    tenant_id: str,
    wanted: AnalysisFilter,
    metric: str,
    grouping: Grouping | None,
    *,
    most: int,
) -> Sequence[Row[Any]]:
    """How a metric is distributed in the largest groups, or in all that match as one group.

    A row has `value`, `n` analyses where the metric is defined and `undefined` ones, `mean`, `deviation` (with n - 1),
    `least`, `greatest` and `quantiles`, those of `QUANTILES`.
    """
    number = value_of(wanted, metric)
    value = cast(null() if grouping is None else grouping.column, Text)
    columns = (
        value.label("value"),
        func.count(number).label("n"),
        (func.count() - func.count(number)).label("undefined"),
        func.avg(number).label("mean"),
        func.stddev_samp(number).label("deviation"),
        func.min(number).label("least"),
        func.max(number).label("greatest"),
        func.percentile_cont(text(f"ARRAY{[*QUANTILES]}")).within_group(number).label("quantiles"),
    )
    query = filtered(_from(*columns), tenant_id, wanted)
    if grouping is not None:
        query = query.group_by(value)
    return connection.execute(query.order_by(func.count().desc(), value).limit(most)).all()


def _from(*columns: ColumnElement[Any]) -> Any:
    return select(*columns).select_from(analysis.join(document).join(measurement))
