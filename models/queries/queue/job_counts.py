"""What has become of a job's documents: counted while it is unfinished, and kept when it ends."""

from sqlalchemy import ColumnElement, Connection, FromClause, Text, func, literal, select, true, update

from models.states import OPEN_ITEMS, ItemState
from models.tables import analysis, job, measurement, work_item

FINAL = ("done", "failed", "cancelled", "cached", "tokens_measured")
"""What is kept of a finished job's progress."""


def keep_counts(connection: Connection, job_id: str) -> None:
    """Write down the counts of a job that has just finished."""
    items, made = items_of_job(true()), analyses_of_job(true())
    columns = {name: each for counts in (items, made) for name, each in counts.c.items()}
    counts = func.jsonb_build_object(*(part for name in FINAL for part in (literal(name, Text), columns[name])))
    final = select(counts).join_from(items, made, true()).scalar_subquery()
    connection.execute(update(job).where(job.c.id == job_id).values(counts=final))


def items_of_job(where: ColumnElement[bool]) -> FromClause:
    """The items of `job` by state, and the estimates of what is left and done."""
    state, estimate = work_item.c.state, work_item.c.estimated_tokens
    return (
        select(
            func.count().filter(state == ItemState.DONE).label("done"),
            func.count().filter(state == ItemState.FAILED).label("failed"),
            func.count().filter(state == ItemState.CANCELLED).label("cancelled"),
            func.coalesce(func.sum(estimate).filter(state.in_(OPEN_ITEMS)), 0).label("estimate_left"),
            func.coalesce(func.sum(estimate).filter(state == ItemState.DONE), 0).label("estimate_done"),
        )
        .where(work_item.c.job_id == job.c.id, where)
        .correlate(job)
        .lateral("items")
    )


def analyses_of_job(where: ColumnElement[bool]) -> FromClause:
    """The analyses that `job` made: those of equal work, the tokens of the others, and the id of the first."""
    return (
        select(
            func.count().filter(analysis.c.cached).label("cached"),
            func.coalesce(func.sum(measurement.c.tokens).filter(~analysis.c.cached), 0).label("tokens_measured"),
            func.min(analysis.c.id).label("analysis_id"),
        )
        .join_from(analysis, measurement)
        .where(analysis.c.job_id == job.c.id, where)
        .correlate(job)
        .lateral("made")
    )
