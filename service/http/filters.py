"""The filters of lists and exports of analyses, whose names in the query are open-ended."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from fastapi import Query, Request

from attention.definitions import METRIC_NAMES
from models.queries.reading.filters import AnalysisFilter
from models.schemas.strings import Storable
from service.http.problems import INVALID_REQUEST, field_problem

MOST_EXTERNAL_IDS = 200
NO_SUCH_METRIC = f"There is no such metric; known are {', '.join(METRIC_NAMES)}."


class AnalysisQuery:
    """The filter, as a route's dependency. `label.KEY`, `min_METRIC` and `max_METRIC` carry a name in their own.

    Raises a `Problem` for a filter that is not known. `KNOWN` are the other parameters of a route.
    """

    NAMED = ("model", "domain", "dataset_id", "job_id", "external_id", "created_after", "created_before", "layer")
    KNOWN: ClassVar[frozenset[str]] = frozenset(NAMED)

    def __init__(
        self,
        request: Request,
        model: Annotated[Storable | None, Query()] = None,
        domain: Annotated[Storable | None, Query()] = None,
        dataset_id: Annotated[Storable | None, Query()] = None,
        job_id: Annotated[Storable | None, Query(description="Also shows rows made for a comparison.")] = None,
        external_id: Annotated[
            list[Storable] | None, Query(max_length=MOST_EXTERNAL_IDS, description="Any of these; repeat it for more.")
        ] = None,
        created_after: Annotated[datetime | None, Query()] = None,
        created_before: Annotated[datetime | None, Query()] = None,
        layer: Annotated[
            int | None, Query(ge=0, le=32_767, description="Metrics are those of this attending layer, from 0.")
        ] = None,
    ) -> None:
        labels: dict[str, str] = {}
        bounds: dict[str, dict[str, float]] = {"min": {}, "max": {}}
        for name, value in request.query_params.multi_items():
            side, _, metric = name.partition("_")
            if name.startswith("label.") and len(name) > len("label."):
                labels[_storable(name, name.removeprefix("label."))] = _storable(name, value)
            elif side in bounds and metric in METRIC_NAMES:
                bounds[side][metric] = _number(name, value)
            elif name not in self.KNOWN:
                raise field_problem(INVALID_REQUEST, f"query:{name}", self._unknown(name))
        self.filter = AnalysisFilter(
            model=model,
            domain=domain,
            dataset_id=dataset_id,
            job_id=job_id,
            external_ids=external_id or (),
            layer=layer,
            labels=labels,
            created_after=_in_utc(created_after),
            created_before=_in_utc(created_before),
            smallest=bounds["min"],
            largest=bounds["max"],
        )

    def _unknown(self, name: str) -> str:
        if name.startswith(("min_", "max_")):
            return NO_SUCH_METRIC
        others = ", ".join(sorted(self.KNOWN - {*self.NAMED}))
        filters = f"{', '.join(self.NAMED)}, label.KEY, min_METRIC and max_METRIC"
        return f"There is no such parameter; there are the filters {filters}{f', and {others}' if others else ''}."


def _in_utc(time: datetime | None) -> datetime | None:
    """A time without a zone is taken as UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _number(name: str, value: str) -> float:
    if not re.fullmatch(r"[+-]?\d{1,18}(\.\d{0,18})?([eE][+-]?\d{1,2})?", value):
        raise field_problem(INVALID_REQUEST, f"query:{name}", "Give a number.")
    return float(value)


def _storable(name: str, value: str) -> str:
    if "\x00" in value:
        raise field_problem(INVALID_REQUEST, f"query:{name}", "The character U+0000 cannot be stored.")
    return value


OPEN_ENDED: list[dict[str, Any]] = [
    {
        "name": "label.KEY",
        "in": "query",
        "description": "Only documents with this label, such as `label.team=support`.",
        "schema": {"type": "string"},
    },
    *(
        {
            "name": f"{side}_METRIC",
            "in": "query",
            "description": f"Only where the metric is at {most} this, such as `{side}_entropy=1.5`.",
            "schema": {"type": "number"},
        }
        for side, most in (("min", "least"), ("max", "most"))
    ),
]
