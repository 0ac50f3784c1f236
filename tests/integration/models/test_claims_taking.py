"""Claims take work in order, of like length, across jobs and tenants, and hold it against everybody else."""

from datetime import timedelta

from seeded_work import MODEL, add_job, add_tenant, job_row, states
from sqlalchemy import Connection, Engine, event, func, select, text, update

from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.claims import (
    Claim,
    Urgent,
    cancel_items,
    claim_items,
    claim_status,
    fail_items,
    give_back,
    renew_leases,
    work_waits,
)
from models.queries.queue.sweeping import cancel_overdue_jobs, return_orphaned_items
from models.tables import INTERACTIVE, job, outbox, work_item

LONG_QUEUE = text(
    """INSERT INTO work_item (tenant_id, job_id, document_id, model_id, options, request_key, priority,
                              estimated_tokens, state)
       SELECT tenant_id, job_id, document_id, model_id, options, request_key, priority, 10 + n % 500,
              CASE WHEN n % 3 = 0 THEN 'queued' ELSE 'done' END
       FROM work_item, generate_series(1, 30000) AS n"""
)


def claim(connection: Connection, *, documents: int = 64, budget: int = 16_384, urgent: Urgent | None = None) -> Claim:
    taken = claim_items(
        connection,
        MODEL,
        "wk_test",
        documents=documents,
        token_budget=budget,
        lease_seconds=60,
        urgent=urgent,
    )
    assert taken is not None
    return taken


def expire(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(work_item)
            .where(work_item.c.state == "running")
            .values(leased_until=func.now() - timedelta(seconds=1))
        )


def test_the_head_is_the_oldest_item_of_the_highest_priority(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["old"])
        urgent = add_job(connection, ["urgent"], priority=INTERACTIVE)
        add_job(connection, ["urgent, later"], priority=INTERACTIVE)
    with engine.begin() as connection:
        assert [item.job_id for item in claim(connection, documents=1).items] == [urgent]


def test_documents_of_many_jobs_and_tenants_share_a_claim(engine: Engine) -> None:
    with engine.begin() as connection:
        add_tenant(connection, "other")
        jobs = [
            add_job(connection, [f"text {number}"], tokens=[20], tenant_id="other" if number % 2 else "local")
            for number in range(10)
        ]
    with engine.begin() as connection:
        taken = claim(connection)
    assert sorted(item.job_id for item in taken.items) == sorted(jobs)
    assert {item.tenant_id for item in taken.items} == {"local", "other"}


def test_companions_are_of_like_length_and_within_the_token_budget(engine: Engine) -> None:
    lengths = [300, 20, 310, 1000, 290, 300, 320, 300]
    with engine.begin() as connection:
        add_job(connection, [f"text {number}" for number in range(len(lengths))], tokens=lengths)
    with engine.begin() as connection:
        taken = claim(connection, budget=1_240)
        assert [item.estimated_tokens for item in taken.items] == [300, 310, 300, 300]
    with engine.begin() as connection:
        assert [item.estimated_tokens for item in claim(connection, budget=1_240).items] == [20]


def test_a_document_longer_than_the_budget_is_claimed_by_itself(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["a", "b", "c"], tokens=[50_000, 50_000, 10])
    with engine.begin() as connection:
        assert len(claim(connection).items) == 1


def test_a_claim_never_waits_for_another_and_takes_nothing_twice(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, [f"text {number}" for number in range(100)], tokens=[20] * 100)
    with engine.connect() as first, engine.connect() as second:
        first.begin()
        second.begin()
        second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        one, two = claim(first, documents=10), claim(second, documents=10)
        first.commit()
        second.commit()
    assert not {item.id for item in one.items} & {item.id for item in two.items}
    assert one.token < two.token


def test_what_a_claim_locked_and_did_not_take_is_free_again(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, [f"text {number}" for number in range(20)], tokens=[100] * 20)
    with engine.begin() as connection:
        assert len(claim(connection, budget=500).items) == 5
    assert states(engine, job_id) == {"running": 5, "queued": 15}
    with engine.begin() as connection:
        assert len(claim(connection).items) == 15


def test_a_claim_that_leaves_work_behind_wakes_the_next_worker(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["a", "b"])
        connection.execute(outbox.delete())
    with engine.begin() as connection:
        claim(connection, documents=1)
        assert connection.execute(select(outbox.c.queue)).scalars().all() == [f"model:{MODEL}"]
        connection.execute(outbox.delete())
        claim(connection, documents=1)
        assert connection.execute(select(outbox.c.queue)).scalars().all() == []
        assert not work_waits(connection, [MODEL])


def test_a_job_runs_as_soon_as_one_of_its_items_is_claimed(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a", "b"])
    with engine.begin() as connection:
        claim(connection, documents=1)
    row = job_row(engine, job_id)
    assert row.state == "running"
    assert row.started_at is not None


def test_only_what_is_urgent_is_taken_where_a_claim_gives_way(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["batch"])
        long = add_job(connection, ["long"], priority=INTERACTIVE, tokens=[50_000])
        short = add_job(connection, ["short"], priority=INTERACTIVE)
        suspect = add_job(connection, ["suspect"], priority=INTERACTIVE)
        connection.execute(update(work_item).where(work_item.c.job_id == suspect).values(alone=True))
        brief = Urgent(INTERACTIVE - 1, longest=16_384)
        assert [item.job_id for item in claim(connection, urgent=brief).items] == [short]
        assert not work_waits(connection, [MODEL], brief)
        assert [item.job_id for item in claim(connection, urgent=Urgent(0)).items] == [long]
        assert not work_waits(connection, [MODEL], Urgent(0))
        assert [item.job_id for item in claim(connection).items] == [suspect]
        assert work_waits(connection, [MODEL])


def test_items_given_back_are_queued_as_they_were_and_a_worker_is_woken(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a", "b"])
        taken = claim(connection)
        connection.execute(outbox.delete())
        give_back(connection, taken.token, [taken.items[0].id])
        assert connection.execute(select(outbox.c.queue)).scalars().all() == [f"model:{MODEL}"]
    assert states(engine, job_id) == {"queued": 1, "running": 1}
    with engine.begin() as connection:
        again = claim(connection)
    assert [item.id for item in again.items] == [taken.items[0].id]


def test_an_old_token_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a"])
        old = claim(connection)
    expire(engine)
    with engine.begin() as connection:
        assert return_orphaned_items(connection, 3) == 1
        new = claim(connection)
    ids = [item.id for item in old.items]
    assert [item.id for item in new.items] == ids
    with engine.begin() as connection:
        give_back(connection, old.token, ids)
        fail_items(connection, old.token, {ids[0]: ("late", "too late")})
        cancel_items(connection, old.token, ids)
        assert claim_status(connection, old.token, ids).wanted == frozenset()
        assert claim_status(connection, new.token, ids).wanted == frozenset(ids)
    assert states(engine, job_id) == {"running": 1}


def test_a_renewed_lease_does_not_expire(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["a"])
        taken = claim(connection)
    expire(engine)
    with engine.begin() as connection:
        renew_leases(connection, [taken.token], 60)
        assert return_orphaned_items(connection, 3) == 0


def test_a_lost_claim_charges_nobody_and_its_items_are_claimed_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["a", "b", "c"], tokens=[9, 9, 9])
        assert len(claim(connection).items) == 3
    expire(engine)
    with engine.begin() as connection:
        assert return_orphaned_items(connection, 3) == 3
        assert connection.execute(select(work_item.c.losses).distinct()).scalars().all() == [0]
        assert [len(claim(connection).items) for _ in range(3)] == [1, 1, 1]


def test_an_item_that_loses_its_worker_three_times_alone_fails_by_name(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["poison"])
    for _ in range(4):
        with engine.begin() as connection:
            claim(connection)
        expire(engine)
        with engine.begin() as connection:
            assert return_orphaned_items(connection, 3) == 1
    assert states(engine, job_id) == {"failed": 1}
    row = job_row(engine, job_id)
    assert (row.state, row.reason) == ("failed", "worker-lost")
    assert "3 times" in row.message


def test_a_cancelled_job_drops_what_is_queued_at_once_and_what_runs_when_its_worker_looks(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a", "b", "c"])
        taken = claim(connection, documents=1)
    with engine.begin() as connection:
        cancel_jobs(connection, [job_id])
    assert states(engine, job_id) == {"cancelled": 2, "running": 1}
    assert job_row(engine, job_id).state == "running"
    with engine.begin() as connection:
        status = claim_status(connection, taken.token, [taken.items[0].id])
        assert status.cancelled == {taken.items[0].id}
        cancel_items(connection, taken.token, sorted(status.cancelled))
    assert states(engine, job_id) == {"cancelled": 3}
    assert job_row(engine, job_id).state == "cancelled"


def test_items_of_a_cancelled_job_that_are_given_back_or_lost_are_cancelled(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a", "b"])
        taken = claim(connection)
    with engine.begin() as connection:
        cancel_jobs(connection, [job_id])
        give_back(connection, taken.token, [taken.items[0].id])
    expire(engine)
    with engine.begin() as connection:
        return_orphaned_items(connection, 3)
    assert states(engine, job_id) == {"cancelled": 2}
    assert job_row(engine, job_id).state == "cancelled"


def test_a_job_past_its_cancel_after_is_cancelled_by_the_sweeper_and_seen_by_its_worker(engine: Engine) -> None:
    with engine.begin() as connection:
        late = add_job(connection, ["a", "b"], cancel_after=func.now() - timedelta(seconds=1))
        add_job(connection, ["c"], cancel_after=func.now() + timedelta(hours=1))
        taken = claim(connection, documents=1)
        status = claim_status(connection, taken.token, [taken.items[0].id])
        assert status.overdue_jobs == {late}
    with engine.begin() as connection:
        assert cancel_overdue_jobs(connection) == [late]
        assert cancel_overdue_jobs(connection) == []
    assert states(engine, late) == {"cancelled": 1, "running": 1}


def test_the_queries_of_a_claim_read_their_indexes_in_a_long_queue(engine: Engine) -> None:
    with engine.begin() as connection:
        add_job(connection, ["a text"], tokens=[20])
        connection.execute(LONG_QUEUE)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE work_item"))
    asked: list[tuple[str, object]] = []

    def listen(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", listen)
    with engine.begin() as connection:
        taken = claim(connection)
        renew_leases(connection, [taken.token], 60)
        return_orphaned_items(connection, 3)
    event.remove(engine, "before_cursor_execute", listen)
    plans = []
    with engine.begin() as connection:
        for statement, parameters in asked:
            if "work_item" in statement:
                plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)  # type: ignore[arg-type]
                plans.append("\n".join(plan.scalars()))
    assert not [plan for plan in plans if "Seq Scan on work_item" in plan]
    used = ["work_item_head", "work_item_like_length", "work_item_leases"]
    locking = [plan for plan in plans if "LockRows" in plan]
    assert [index for index in used if not any(index in plan for plan in locking)] == []
    assert not any("Sort" in plan for plan in locking[:3])


def test_counts_of_a_job_always_reach_its_total(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, [f"text {number}" for number in range(30)], tokens=[20] * 30)
    turns = 0
    while job_row(engine, job_id).finished_at is None:
        turns += 1
        assert turns < 100
        with engine.begin() as connection:
            taken = claim_items(connection, MODEL, "wk", documents=7, token_budget=9999, lease_seconds=60)
        if taken is None:
            break
        ids = [item.id for item in taken.items]
        with engine.begin() as connection:
            if turns % 3 == 0:
                give_back(connection, taken.token, ids)
            else:
                fail_items(connection, taken.token, dict.fromkeys(ids[:4], ("document-empty", "no text")))
                cancel_items(connection, taken.token, ids[4:])
    assert sum(states(engine, job_id).values()) == 30
    with engine.connect() as connection:
        assert connection.execute(select(job.c.state).where(job.c.id == job_id)).scalar_one() == "failed"
