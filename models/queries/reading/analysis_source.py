"""What an analysis was measured from, so that details can be measured again, and only with the same weights."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from models.tables import analysis, document, measurement, model_version, work_item
from models.work import WorkOptions


@dataclass(frozen=True, slots=True)
class Source:
    """A document with its options, and the work key of the measurement that they gave."""

    content: dict[str, Any]
    options: WorkOptions
    work_key: bytes


def measured_as(connection: Connection, tenant_id: str, analysis_id: str) -> Row[Any] | None:
    """The model of the analysis with its revision and facts then, and how many tokens, turns and windows it has."""
    columns: tuple[Any, ...] = (
        analysis.c.model_id,
        measurement.c.definitions,
        measurement.c.tokens,
        measurement.c.turns,
        measurement.c.windows,
        model_version.c.revision,
        model_version.c.facts,
    )
    return connection.execute(
        select(*columns)
        .join_from(analysis, measurement)
        .join(model_version, model_version.c.key == measurement.c.version_key)
        .where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)
    ).one_or_none()


def source_of(connection: Connection, analysis_id: str) -> Source | None:
    """What the analysis was measured from; None where it has been deleted."""
    row = connection.execute(
        select(document.c.content, work_item.c.options, measurement.c.work_key)
        .join_from(analysis, measurement)
        .join(document, document.c.id == analysis.c.document_id)
        .join(work_item, work_item.c.id == analysis.c.work_item_id)
        .where(analysis.c.id == analysis_id)
    ).one_or_none()
    if row is None:
        return None
    return Source(row.content, WorkOptions.model_validate(row.options), bytes(row.work_key))
