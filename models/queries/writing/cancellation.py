"""Cancelling one job for a client."""

from typing import Any

from sqlalchemy import Connection, Row

from models.queries.queue.cancellation import cancel_jobs
from models.queries.reading.jobs import find_job, job_state


def cancel_and_find_job(connection: Connection, tenant_id: str, job_id: str) -> Row[Any] | None:
    """Cancel the tenant's job, if it is unfinished; the job afterwards, as `find_job` gives it."""
    if job_state(connection, tenant_id, job_id) is None:
        return None
    cancel_jobs(connection, [job_id])  # holds the job, so that it is still there to be read
    return find_job(connection, tenant_id, job_id)
