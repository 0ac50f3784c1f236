"""Which analyses a list, an export, a count or a statistic is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_

from models.tables import analysis, document, measurement, measurement_layer


@dataclass(frozen=True, slots=True)
class AnalysisFilter:
    """A filter of analyses: all of its conditions must hold. Ranges of metrics include their ends.

    With `layer` metrics are those of this attending layer, and analyses under models without one are left out.
    """

    model: str | None = None
    domain: str | None = None
    dataset_id: str | None = None
    job_id: str | None = None
    external_ids: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    layer: int | None = None
    smallest: Mapping[str, float] = field(default_factory=dict)
    largest: Mapping[str, float] = field(default_factory=dict)


def value_of(wanted: AnalysisFilter, metric: str) -> ColumnElement[float]:
    """The column of a metric that the filter's ranges are about, and that is sorted or averaged by."""
    return (measurement if wanted.layer is None else measurement_layer).c[metric]


def filtered(query: Select[Any], tenant_id: str, wanted: AnalysisFilter) -> Select[Any]:
    """A query from `analysis`, `document` and `measurement`, of the tenant's analyses under the filter.

    Rows made for a comparison are among them only where its job is asked for.
    """
    if wanted.layer is not None:
        layer = measurement_layer.c
        query = query.join(
            measurement_layer, and_(layer.measurement_id == measurement.c.id, layer.layer == wanted.layer)
        )
    return query.where(analysis.c.tenant_id == tenant_id, *_conditions(wanted))


def _conditions(wanted: AnalysisFilter) -> list[ColumnElement[bool]]:
    conditions = [analysis.c.job_id == wanted.job_id if wanted.job_id is not None else analysis.c.listed]
    if wanted.model is not None:
        conditions.append(analysis.c.model_id == wanted.model)
    if wanted.domain is not None:
        conditions.append(document.c.domain == wanted.domain)
    if wanted.dataset_id is not None:
        conditions.append(document.c.dataset_id == wanted.dataset_id)
    if wanted.external_ids:
        conditions.append(document.c.external_id.in_(wanted.external_ids))
    if wanted.labels:
        conditions.append(document.c.labels.contains(dict(wanted.labels)))
    if wanted.created_after is not None:
        conditions.append(analysis.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(analysis.c.created_at < wanted.created_before)
    conditions += [value_of(wanted, name) >= value for name, value in wanted.smallest.items()]
    conditions += [value_of(wanted, name) <= value for name, value in wanted.largest.items()]
    return conditions
