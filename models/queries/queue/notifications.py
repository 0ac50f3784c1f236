"""PostgreSQL notifications: how whoever waits for a job or an inquiry learns that it has changed."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, Connection, Text, bindparam, func, select, union_all

from models.states import OPEN_INQUIRIES, UNFINISHED
from models.tables import inquiry, job

CHANNEL = "hearken_job"
"""The channel to listen on; a notification's payload is the id of the job or the inquiry."""


def notify(connection: Connection, changed_ids: Sequence[str]) -> None:
    """Send one for each when this transaction commits."""
    if changed_ids:
        changed = func.unnest(bindparam("changed", [*changed_ids], type_=ARRAY(Text)))
        connection.execute(select(func.pg_notify(CHANNEL, changed)))


def settled_among(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these jobs and inquiries that have ended or are gone."""
    jobs = select(job.c.id).where(job.c.id.in_(ids), job.c.state.in_(UNFINISHED))
    inquiries = select(inquiry.c.id).where(inquiry.c.id.in_(ids), inquiry.c.state.in_(OPEN_INQUIRIES))
    return {*ids} - {*connection.scalars(union_all(jobs, inquiries))}
