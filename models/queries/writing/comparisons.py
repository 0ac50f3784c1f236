"""The result of a comparison and the files made from it, as workers store them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, literal, select
from sqlalchemy.dialects.postgresql import insert

from attention.comparison.json_form import as_json
from attention.comparison.study import Study
from models.queries.queue.job_state import settle_jobs
from models.queries.queue.summary_claims import ClaimedSummary, end_summary
from models.states import SummaryState
from models.tables import comparison, comparison_file


@dataclass(frozen=True, slots=True)
class SummaryFile:
    """A file made from a comparison's result."""

    name: str
    media_type: str
    body: bytes


def store_summary(connection: Connection, claimed: ClaimedSummary, study: Study, files: Sequence[SummaryFile]) -> bool:
    """Store the result and its files, and settle the job; False, with nothing stored, when the claim was lost."""
    if not end_summary(connection, claimed, {"state": SummaryState.DONE, "result": as_json(study)}):
        return False
    for file in files:
        keep_file(connection, claimed.id, file)
    settle_jobs(connection, [claimed.job_id])
    return True


def keep_file(connection: Connection, comparison_id: str, file: SummaryFile) -> None:
    """Store a file with its comparison, in place of one of the same name; without effect where that is gone."""
    owner = select(
        comparison.c.id,
        literal(file.name),
        literal(file.media_type),
        literal(file.body, comparison_file.c.body.type),
    ).where(comparison.c.id == comparison_id)
    row = insert(comparison_file).from_select(
        ["comparison_id", "name", "media_type", "body"], owner.with_for_update(read=True, key_share=True)
    )
    values = {"media_type": row.excluded.media_type, "body": row.excluded.body}
    connection.execute(row.on_conflict_do_update(index_elements=["comparison_id", "name"], set_=values))
