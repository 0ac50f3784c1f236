"""A job is over when its last item is settled, however many settle at once; the sweeper settles what nobody did."""

import threading
from datetime import timedelta

import psycopg
import pytest
from seeded_work import MODEL, add_job, job_row, states
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from models.identifiers import new_identifier
from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.claims import Claim, claim_items, fail_items, lock_held
from models.queries.queue.inquiry_claims import claim_inquiries
from models.queries.queue.job_state import settle_jobs
from models.queries.queue.notifications import CHANNEL
from models.queries.queue.sweeping import delete_expired, queues_with_work, return_orphaned_inquiries, settle_stuck_jobs
from models.tables import comparison, idempotency, inquiry, model, outbox, work_item, worker


def claim(connection: Connection, documents: int = 64) -> Claim:
    taken = claim_items(connection, MODEL, "wk", documents=documents, token_budget=16_384, lease_seconds=60)
    assert taken is not None
    return taken


def finish(connection: Connection, taken: Claim) -> None:
    """Mark a claim's items done, as storing does, without numbers."""
    ids = lock_held(connection, taken.token, [item.id for item in taken.items])
    connection.execute(update(work_item).where(work_item.c.id.in_(ids)).values(state="done", lease_token=None))
    settle_jobs(connection, [item.job_id for item in taken.items])


@pytest.mark.parametrize("kind", ["batch", "comparison"])
def test_two_last_batches_that_settle_at_once_end_the_job(engine: Engine, kind: str) -> None:
    with engine.begin() as connection:
        jobs = [add_job(connection, ["a", "b"], kind=kind, tokens=[9, 9]) for _ in range(10)]
    claims = []
    for _ in range(20):
        with engine.begin() as connection:
            claims.append(claim(connection, documents=1))
    gate = threading.Barrier(20)

    def settle(taken: Claim) -> None:
        with engine.begin() as connection:
            gate.wait(20)
            finish(connection, taken)

    threads = [threading.Thread(target=settle, args=(taken,), daemon=True) for taken in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = "succeeded" if kind == "batch" else "summarizing"
    assert [job_row(engine, job_id).state for job_id in jobs] == [expected] * 10
    if kind == "comparison":
        with engine.connect() as connection:
            written = select(func.count()).where(outbox.c.queue == "summaries")
            assert connection.execute(written).scalar_one() == 10
            queued = select(func.count()).where(comparison.c.state == "queued")
            assert connection.execute(queued).scalar_one() == 10


def test_settling_and_cancelling_many_jobs_at_once_never_deadlock(engine: Engine) -> None:
    with engine.begin() as connection:
        jobs = [add_job(connection, ["a", "b", "c"], tokens=[9] * 3) for _ in range(12)]
    claims = []
    for _ in range(6):
        with engine.begin() as connection:
            claims.append(claim(connection, documents=4))
    errors: list[Exception] = []

    def attempt(action: object) -> None:
        try:
            with engine.begin() as connection:
                action(connection)  # type: ignore[operator]
        except Exception as error:
            errors.append(error)

    actions = [lambda c, t=taken: finish(c, t) for taken in claims]
    actions += [lambda c: cancel_jobs(c, jobs), lambda c: cancel_jobs(c, jobs[::-1]), lambda c: settle_jobs(c, jobs)]
    threads = [threading.Thread(target=attempt, args=(action,), daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    for job_id in jobs:
        assert sum(states(engine, job_id).values()) == 3
        assert set(states(engine, job_id)) <= {"done", "cancelled"}
        assert job_row(engine, job_id).state in ("cancelled", "succeeded")


def test_every_settled_job_is_announced_when_the_transaction_commits(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a"])
        taken = claim(connection)
    listening = database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(listening, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with engine.begin() as connection:
            finish(connection, taken)
            assert list(listener.notifies(timeout=0.05)) == []
        heard = next(listener.notifies(timeout=10, stop_after=1))
    assert heard.payload == job_id


def test_a_job_succeeds_with_some_failures_and_fails_with_nothing_else(engine: Engine) -> None:
    with engine.begin() as connection:
        some = add_job(connection, ["a", "b"])
        one = claim(connection, documents=1)
        two = claim(connection, documents=1)
        finish(connection, one)
        fail_items(connection, two.token, {two.items[0].id: ("document-empty", "no text")})
        add_job(connection, ["a", "b", "c"])
        all_ = claim(connection)
        ids = [item.id for item in all_.items]
        fail_items(connection, all_.token, {ids[0]: ("too-short", "short"), ids[1]: ("document-empty", "no text")})
        fail_items(connection, all_.token, {ids[2]: ("document-empty", "no text")})
    assert job_row(engine, some).state == "succeeded"
    row = job_row(engine, all_.items[0].job_id)
    assert (row.state, row.reason) == ("failed", "document-empty")
    assert row.message == "None of the 3 documents could be measured; 2 failed like this: no text"


def test_a_job_whose_items_were_all_settled_elsewhere_is_settled_by_the_sweeper(engine: Engine) -> None:
    with engine.begin() as connection:
        stuck = add_job(connection, ["a"])
        waiting = add_job(connection, ["b"])
        connection.execute(update(work_item).where(work_item.c.job_id == stuck).values(state="done"))
    with engine.begin() as connection:
        assert settle_stuck_jobs(connection) == 1
        assert settle_stuck_jobs(connection) == 0
    assert job_row(engine, stuck).state == "succeeded"
    assert job_row(engine, stuck).started_at is not None
    assert job_row(engine, waiting).state == "queued"


def test_the_sweeper_names_the_queues_behind_which_something_waits(engine: Engine) -> None:
    with engine.begin() as connection:
        for model_id in (MODEL, "idle", "asked"):
            connection.execute(insert(model).values(id=model_id, state="registered"))
        add_job(connection, ["a"])
        values = {"tenant_id": "local", "kind": "embedding", "model_id": "asked", "request": {}}
        later = func.now() + timedelta(seconds=30)
        connection.execute(insert(inquiry).values(id=new_identifier("inq"), expires_at=later, **values))
        assert queues_with_work(connection) == [f"model:{MODEL}", "model:asked"]
        job_id = add_job(connection, ["b"], kind="comparison")
        connection.execute(update(comparison).where(comparison.c.job_id == job_id).values(state="queued"))
        assert queues_with_work(connection)[-1] == "summaries"


def test_what_has_expired_is_deleted_and_nothing_else(engine: Engine) -> None:
    old, young = func.now() - timedelta(hours=25), func.now() - timedelta(hours=23)
    with engine.begin() as connection:
        for key, created in (("old", old), ("young", young)):
            values = {"tenant_id": "local", "body_sha256": b"", "resource": "job_x"}
            connection.execute(insert(idempotency).values(key=key, created_at=created, **values))
            connection.execute(insert(worker).values(id=key, models=[], summaries=True, facts={}, heartbeat_at=created))
            connection.execute(
                insert(inquiry).values(
                    id=key,
                    tenant_id="local",
                    kind="embedding",
                    model_id=MODEL,
                    request={},
                    state="running",
                    leased_until=old,
                    expires_at=old if key == "old" else func.now() + timedelta(seconds=30),
                )
            )
        deleted = delete_expired(connection, idempotency_hours=24, worker_seconds=24 * 3600)
        assert deleted == {"idempotency keys": 1, "inquiries": 1, "signed-in browsers": 0, "workers": 1}
        assert return_orphaned_inquiries(connection) == 1
        assert connection.execute(select(inquiry.c.id, inquiry.c.state)).all() == [("young", "queued")]
        assert connection.execute(select(idempotency.c.key)).scalars().all() == ["young"]
        assert connection.execute(select(worker.c.id)).scalars().all() == ["young"]


def test_lost_inquiries_go_back_with_one_wake_up_a_queue_whether_or_not_they_ask_a_model(engine: Engine) -> None:
    waited_for = func.now() + timedelta(seconds=30)
    common = {"tenant_id": "local", "request": {}, "expires_at": waited_for}
    with engine.begin() as connection:
        for number in range(2):
            of_model = {"kind": "embedding", "model_id": MODEL}
            of_comparison = {"kind": "comparison_file", "model_id": None}
            for values in (of_model, of_comparison):
                identity = f"{values['kind']}-{number}"
                connection.execute(insert(inquiry).values(id=identity, **values, **common))
        taken = [
            *claim_inquiries(connection, MODEL, "wk", limit=2, lease_seconds=-1),
            *claim_inquiries(connection, None, "wk", limit=2, lease_seconds=-1),
        ]
        assert len(taken) == 4
        connection.execute(delete(outbox))
        assert return_orphaned_inquiries(connection) == 4
        assert connection.execute(select(inquiry.c.state, inquiry.c.lease_token).distinct()).all() == [("queued", None)]
        written = connection.execute(select(outbox.c.queue).order_by(outbox.c.queue)).scalars().all()
        assert written == [f"model:{MODEL}", "summaries"]


def test_the_sweeper_names_the_queue_of_a_comparisons_file_that_somebody_waits_for(engine: Engine) -> None:
    with engine.begin() as connection:
        values = {"tenant_id": "local", "kind": "comparison_file", "request": {}}
        connection.execute(insert(inquiry).values(id="over", expires_at=func.now(), **values))
        assert queues_with_work(connection) == []
        later = func.now() + timedelta(seconds=30)
        connection.execute(insert(inquiry).values(id="asked", expires_at=later, **values))
        assert queues_with_work(connection) == ["summaries"]
