"""Reuse of equal work: items whose request was measured before are answered without a worker."""

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from models.identifiers import new_identifier
from models.states import ItemState
from models.tables import analysis, job, known_request, measurement, model, model_version, work_item

BATCH = 2_000
TIMING = {"queued_ms": 0.0, "tokenize_ms": 0.0, "forward_ms": 0.0, "store_ms": 0.0}


def answer_known_items(connection: Connection, job_id: str, model_id: str, dtype: str) -> int:
    """Make analyses of the job's queued items that the model's present weights were asked before; returns how many.

    Measurements are locked against deletion as they are attached. In batches, so that memory stays bounded.
    """
    version_key = connection.execute(
        select(model_version.c.key)
        .join_from(model, model_version, model.c.version_key == model_version.c.key)
        .where(model.c.id == model_id, model_version.c.dtype == dtype)
    ).scalar_one_or_none()
    if version_key is None:
        return 0
    answered, after = 0, 0
    while rows := connection.execute(_known(job_id, model_id, version_key, after)).all():
        after = rows[-1].id
        connection.execute(insert(analysis), [_analysis(row) for row in rows])
        connection.execute(
            update(work_item)
            .where(work_item.c.id.in_([row.id for row in rows]))
            .values(state=ItemState.DONE, started_at=func.now(), finished_at=func.now())
        )
        answered += len(rows)
    return answered


def _known(job_id: str, model_id: str, version_key: int, after: int) -> Any:
    return (
        select(
            work_item.c.id,
            work_item.c.tenant_id,
            work_item.c.job_id,
            work_item.c.document_id,
            work_item.c.model_id,
            measurement.c.id.label("measurement_id"),
            (job.c.kind != "comparison").label("listed"),
        )
        .join_from(work_item, job)
        .join(
            known_request,
            (known_request.c.tenant_id == work_item.c.tenant_id)
            & (known_request.c.request_key == work_item.c.request_key)
            & (known_request.c.version_key == version_key),
        )
        .join(measurement, measurement.c.id == known_request.c.measurement_id)
        .where(
            work_item.c.job_id == job_id,
            work_item.c.model_id == model_id,
            work_item.c.state == ItemState.QUEUED,
            work_item.c.id > after,
        )
        .order_by(work_item.c.id)
        .limit(BATCH)
        .with_for_update(read=True, key_share=True, of=measurement)
    )


def _analysis(row: Any) -> dict[str, Any]:
    return {
        "id": new_identifier("an"),
        "tenant_id": row.tenant_id,
        "job_id": row.job_id,
        "work_item_id": row.id,
        "document_id": row.document_id,
        "measurement_id": row.measurement_id,
        "model_id": row.model_id,
        "listed": row.listed,
        "cached": True,
        "timing": TIMING,
    }
