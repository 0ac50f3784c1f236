"""A comparison's summary is made once its documents are settled, from what is stored, and stored with its report."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from seeded_study import stored
from seeded_work import MODEL, add_job, job_row, numbers, words
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError

from attention.comparison.json_form import from_json
from attention.comparison.study import Study
from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.summary_claims import claim_summary
from models.queries.queue.sweeping import return_orphaned_summaries
from models.queries.reading.summaries import measured_group
from models.queries.writing.comparisons import store_summary
from models.tables import INTERACTIVE, analysis, comparison, comparison_file, measurement, outbox, work_item
from models.work import Sampling, WorkOptions
from workers.dispatch import Dispatcher

pytestmark = pytest.mark.xdist_group("summaries")

REQUEST = {
    "groups": [{"name": "short words", "dataset_id": "ds_a"}, {"name": "numbers", "dataset_id": "ds_b"}],
    "model": MODEL,
    "window_tokens": 32,
    "windows": 1,
    "seed": 0,
    "by_head": False,
    "maps": ["embedding"],
    "metrics": ["distance", "entropy"],
}
OPTIONS = WorkOptions(sampling=Sampling(window_tokens=32, count=1, seed=0))


@pytest.fixture(autouse=True)
def ended_summaries() -> Iterator[None]:
    """A summary that was abandoned ends at its next step, and may read from the database until then."""
    yield
    for thread in threading.enumerate():
        if thread.name == "summary":
            thread.join(120)
            assert not thread.is_alive()


def add_comparison(engine: Engine, seed: int, documents: int = 9, short: int = 0, **changes: Any) -> str:
    texts = [words(60, seed + place) for place in range(documents)]
    texts += [numbers(40, seed + place) for place in range(documents)]
    groups = [0] * documents + [1] * documents
    with engine.begin() as connection:
        return add_job(
            connection,
            texts + ["too short"] * short,
            kind="comparison",
            options=OPTIONS,
            groups=groups + [0] * short,
            request=REQUEST | changes,
        )


def measure(worker: Dispatcher, job_id: str) -> None:
    while job_row(worker.engine, job_id).state in ("queued", "running"):
        worker.answer_model(MODEL)


def comparison_of(engine: Engine, job_id: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(comparison).where(comparison.c.job_id == job_id)).one()


def test_the_summary_is_queued_with_a_wakeup_once_the_last_document_is_settled(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id = add_comparison(engine, 0)
    worker.answer_model(MODEL)
    measure(worker, job_id)
    assert job_row(engine, job_id).state == "summarizing"
    assert comparison_of(engine, job_id).state == "queued"
    with engine.connect() as connection:
        assert "summaries" in connection.execute(select(outbox.c.queue)).scalars().all()


def test_a_summary_that_cannot_be_stored_is_given_back_charged_with_nothing_and_stored_later(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id = add_comparison(engine, 50)
    measure(worker, job_id)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        connection.execute(
            text("CREATE TRIGGER fill BEFORE INSERT ON comparison_file FOR EACH ROW EXECUTE FUNCTION fill()")
        )
    with pytest.raises(OperationalError, match="planted"):
        worker.answer_summaries()
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER fill ON comparison_file"))
    given_back = comparison_of(engine, job_id)
    assert (given_back.state, given_back.losses, given_back.lease_token) == ("queued", 0, None)
    assert job_row(engine, job_id).state == "summarizing"
    worker.answer_summaries()
    assert job_row(engine, job_id).state == "succeeded"


def test_groups_are_read_as_they_were_stored(engine: Engine, worker: Dispatcher) -> None:
    job_id = add_comparison(engine, 100, short=2)
    measure(worker, job_id)
    with engine.connect() as connection:
        group = measured_group(connection, job_id, 0)
        stored = connection.execute(
            select(measurement.c.distance)
            .join_from(analysis, measurement)
            .join(work_item, analysis.c.work_item_id == work_item.c.id)
            .where(analysis.c.job_id == job_id, work_item.c.group_position == 0)
            .order_by(work_item.c.id)
        ).scalars()
        assert group.overall["distance"].tolist() == stored.all()
        listed = connection.execute(select(analysis.c.listed).where(analysis.c.job_id == job_id).distinct())
        assert listed.scalars().all() == [False]
    assert group.skipped == {"too-short": 2}
    assert group.clusters is None
    assert len(group.analysis_ids) == len(set(group.documents)) == 9
    assert group.layers["distance"].shape == (9, 6)
    assert group.heads["distance"].shape == (9, 6, 12)
    assert group.embeddings is not None
    assert group.embeddings.shape == (9, 384)
    assert "cross_turn" not in group.overall
    assert np.allclose(group.layers["distance"].mean(axis=1), group.overall["distance"], rtol=1e-9)
    assert np.allclose(group.heads["distance"].mean(axis=2), group.layers["distance"], rtol=1e-5)


def test_result_and_report_are_stored_and_the_job_succeeds(engine: Engine, worker: Dispatcher) -> None:
    job_id = add_comparison(engine, 200, short=1)
    measure(worker, job_id)
    worker.answer_summaries()
    assert job_row(engine, job_id).state == "succeeded"
    row = comparison_of(engine, job_id)
    assert row.state == "done"
    assert {group["name"]: group["documents"] for group in row.result["groups"]} == {"numbers": 9, "short words": 9}
    assert {pair["metric"] for pair in row.result["pairs"]} == {"distance", "entropy"}
    with engine.connect() as connection:
        files = connection.execute(select(comparison_file).where(comparison_file.c.comparison_id == row.id)).all()
    assert [(file.name, file.media_type) for file in files] == [("report.html", "text/html; charset=utf-8")]
    assert bytes(files[0].body).lower().lstrip().startswith(b"<!doctype html>")


def test_too_few_documents_fail_the_comparison_by_name(engine: Engine, worker: Dispatcher) -> None:
    job_id = add_comparison(engine, 300, documents=3, short=4)
    measure(worker, job_id)
    worker.answer_summaries()
    row = job_row(engine, job_id)
    assert row.state == "failed"
    assert row.reason.startswith("comparison-")
    assert "4 too-short" in row.message
    assert comparison_of(engine, job_id).state == "failed"


def test_a_comparison_cancelled_before_its_summary_has_none(engine: Engine, worker: Dispatcher) -> None:
    job_id = add_comparison(engine, 400)
    measure(worker, job_id)
    with engine.begin() as connection:
        claimed = claim_summary(connection, "wk_other", 60)
        assert claimed is not None
        assert claimed.job_id == job_id
    with engine.begin() as connection:
        cancel_jobs(connection, [job_id])
    assert (job_row(engine, job_id).state, comparison_of(engine, job_id).state) == ("cancelled", "cancelled")
    with engine.begin() as connection:
        assert store_summary(connection, claimed, from_json(Study, stored("study.json")), []) is False
    assert comparison_of(engine, job_id).result is None


def test_a_summary_that_loses_its_worker_is_made_again_and_three_times_fails(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id = add_comparison(engine, 500)
    measure(worker, job_id)
    for loss in (1, 2, 3):
        with engine.begin() as connection:
            claimed = claim_summary(connection, "wk_lost", 60)
            assert claimed is not None
            lost = update(comparison).where(comparison.c.id == claimed.id)
            connection.execute(lost.values(leased_until=func.now() - timedelta(seconds=1)))
        with engine.begin() as connection:
            assert return_orphaned_summaries(connection, 3) == 1
        assert comparison_of(engine, job_id).losses == loss
    assert (job_row(engine, job_id).state, job_row(engine, job_id).reason) == ("failed", "worker-lost")


def test_urgent_work_is_served_while_a_summary_is_made(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add_comparison(engine, 600, maps=["embedding", "profile"])
    measure(worker, job_id)
    with engine.begin() as connection:
        urgent = add_job(connection, [words(30, 999)], kind="analysis", priority=INTERACTIVE)
    monkeypatch.setattr("workers.comparing.summaries.CHECK_SECONDS", 0.001)
    worker.answer_summaries()
    assert job_row(engine, urgent).state == "succeeded"
    assert job_row(engine, urgent).finished_at < job_row(engine, job_id).finished_at


def test_a_worker_that_is_to_stop_gives_its_summary_back(engine: Engine, worker: Dispatcher) -> None:
    job_id = add_comparison(engine, 700, maps=["embedding", "profile"], permutations=20_000, by_head=True)
    measure(worker, job_id)
    worker.process._stop.set()
    worker.answer_summaries()
    assert job_row(engine, job_id).state == "summarizing"
    assert comparison_of(engine, job_id).state == "queued"
