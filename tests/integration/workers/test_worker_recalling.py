"""A worker measures anew only what is still wanted, no larger than can be given out, and under the same weights."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from seeded_work import MODEL, add_job
from sqlalchemy import Engine, delete, select, update

from attention.errors import DocumentRefused, Interrupted, TooMuchToShow
from models.arrays import unpack
from models.queries.queue.inquiries import ask, read_inquiry
from models.queries.queue.inquiry_claims import ClaimedInquiry, claim_inquiries
from models.tables import analysis, document, inquiry
from workers.dispatch import Dispatcher
from workers.inquiries.remeasure import MOST_NUMBERS, ModelChanged, remeasure

pytestmark = pytest.mark.xdist_group("measuring")

TOKEN_BUDGET = 1_024
Recall = Callable[..., dict[str, Any]]


def said(turns: int) -> dict[str, Any]:
    return {"turns": [{"speaker": "AB"[turn % 2], "text": f"word {turn} of the lake"} for turn in range(turns)]}


def analysed(engine: Engine, worker: Dispatcher, content: Any) -> str:
    with engine.begin() as connection:
        job_id = add_job(connection, [content])
    worker.answer_model(MODEL)
    with engine.connect() as connection:
        return str(connection.execute(select(analysis.c.id).where(analysis.c.job_id == job_id)).scalar_one())


def asked(engine: Engine, kind: str, seconds: float = 60, **request: Any) -> ClaimedInquiry:
    """An inquiry that was asked, and is this worker's."""
    with engine.begin() as connection:
        connection.execute(delete(inquiry))
        ask(connection, "local", MODEL, kind, request, timedelta(seconds=seconds))
        (claimed,) = claim_inquiries(connection, MODEL, "worker", limit=1, lease_seconds=60)
    return claimed


@pytest.fixture
def recalled(engine: Engine, worker: Dispatcher) -> Recall:
    def recall_it(claimed: ClaimedInquiry, stopping: bool = False) -> dict[str, Any]:
        return remeasure(engine, worker.models.open(MODEL), claimed, worker.models.budgets[MODEL], lambda: stopping)

    return recall_it


def test_an_answer_is_stored_as_arrays(engine: Engine, worker: Dispatcher) -> None:
    analysis_id = analysed(engine, worker, said(4))
    with engine.begin() as connection:
        inquiry_id, _ = ask(
            connection,
            "local",
            MODEL,
            "attention",
            {"analysis_id": analysis_id, "window": 0, "layer": 2, "head": 3},
            timedelta(seconds=60),
        )
    worker.answer_model(MODEL)
    with engine.connect() as connection:
        row = read_inquiry(connection, inquiry_id)
    assert row is not None
    assert (row.state, row.reason) == ("done", None)
    weights = unpack(row.response, row.body)["weights"]
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_nothing_is_measured_for_who_waits_no_more(engine: Engine, worker: Dispatcher, recalled: Recall) -> None:
    analysis_id = analysed(engine, worker, said(5))
    claimed = asked(engine, "tokens", analysis_id=analysis_id)
    assert recalled(claimed)["distance"].shape[0] == 6
    with pytest.raises(Interrupted):
        recalled(claimed, stopping=True)
    with engine.begin() as connection:
        connection.execute(delete(inquiry))
    with pytest.raises(Interrupted, match="nobody waited"):
        recalled(claimed)


def test_a_long_document_is_given_up_between_passes(engine: Engine, worker: Dispatcher) -> None:
    analysis_id = analysed(engine, worker, said(300))
    claimed = asked(engine, "tokens", analysis_id=analysis_id)
    looks: list[int] = []

    def stopping() -> bool:
        looks.append(1)
        return len(looks) > 2

    with pytest.raises(Interrupted):
        remeasure(engine, worker.models.open(MODEL), claimed, 512, stopping)
    assert len(looks) == 3


def test_more_numbers_than_are_given_out_are_refused_before_measuring(
    engine: Engine, worker: Dispatcher, recalled: Recall
) -> None:
    analysis_id = analysed(engine, worker, said(260))
    assert MOST_NUMBERS < 6 * 12 * 260 * 261
    with pytest.raises(TooMuchToShow, match="the flow of 260 turns in every head are 4885920 numbers"):
        recalled(asked(engine, "flow_heads", analysis_id=analysis_id))


def test_a_text_has_no_flow_and_a_document_no_window_beyond_its_last(
    engine: Engine, worker: Dispatcher, recalled: Recall
) -> None:
    analysis_id = analysed(engine, worker, {"text": "Nobody speaks here."})
    with pytest.raises(DocumentRefused, match="no turns"):
        recalled(asked(engine, "flow_heads", analysis_id=analysis_id))
    with pytest.raises(DocumentRefused, match="windows 0 to 0"):
        recalled(asked(engine, "attention", analysis_id=analysis_id, window=1, layer=0, head=0))


def test_a_document_that_reads_otherwise_now_is_not_passed_off_as_the_same(
    engine: Engine, worker: Dispatcher, recalled: Recall
) -> None:
    analysis_id = analysed(engine, worker, said(6))
    with engine.begin() as connection:
        of_analysis = select(analysis.c.document_id).where(analysis.c.id == analysis_id).scalar_subquery()
        connection.execute(update(document).where(document.c.id == of_analysis).values(content=said(7)))
    with pytest.raises(ModelChanged):
        recalled(asked(engine, "tokens", analysis_id=analysis_id))
    with pytest.raises(Interrupted, match="deleted"):
        recalled(asked(engine, "tokens", analysis_id="an_none"))
