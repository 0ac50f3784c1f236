"""Who is measured next among those who wait: a tenant's own in the order they came, tenants in turn, a pass each."""

from collections.abc import Iterator

import pytest
from seeded_work import MODEL, add_job, add_tenant, job_row, words
from sqlalchemy import Engine, select, update

from models.tables import INTERACTIVE, work_item
from workers.dispatch import Dispatcher

pytestmark = pytest.mark.xdist_group("measuring")

TOKENS = 104
"""Of a text of 100 words; four of them fill a pass."""
SEEDS = iter(range(20_000, 30_000))


@pytest.fixture(autouse=True)
def short_passes(worker: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims take several passes."""
    monkeypatch.setitem(worker.models.budgets, MODEL, 512)


@pytest.fixture(scope="module")
def other(engine: Engine) -> str:
    """Another tenant."""
    with engine.begin() as connection:
        return add_tenant(connection, "other")


def waiting(engine: Engine, count: int, tenant_id: str = "local") -> list[str]:
    """So many requests that somebody waits for, each of one short text; their jobs."""
    with engine.begin() as connection:
        return [
            add_job(
                connection,
                [words(100, next(SEEDS))],
                priority=INTERACTIVE,
                kind="analysis",
                tokens=[TOKENS],
                tenant_id=tenant_id,
            )
            for _ in range(count)
        ]


def between_passes(worker: Dispatcher, monkeypatch: pytest.MonkeyPatch, arrivals: Iterator[object]) -> None:
    """Have the next of these arrive whenever the worker looks for more urgent work."""
    look = worker.allow_preemption

    def arrive(priority: int, besides: frozenset[str] = frozenset()) -> None:
        next(arrivals, None)
        look(priority, besides)

    monkeypatch.setattr(worker, "allow_preemption", arrive)


def ends(engine: Engine, jobs: list[str]) -> list[object]:
    """When they were done."""
    rows = [job_row(engine, job_id) for job_id in jobs]
    assert {row.state for row in rows} == {"succeeded"}
    return [row.finished_at for row in rows]


def test_no_request_is_overtaken_by_later_ones_of_its_tenant(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = waiting(engine, 12), []
    between_passes(worker, monkeypatch, (late.extend(waiting(engine, 2)) for _ in range(4)))
    worker.answer_model(MODEL)
    assert len(late) == 8
    assert max(ends(engine, early)) < min(ends(engine, late))
    assert ends(engine, late) == sorted(ends(engine, late))


def test_another_tenants_request_waits_for_one_pass(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    early, late = waiting(engine, 12), []
    between_passes(worker, monkeypatch, (late.extend(waiting(engine, 1, other)) for _ in range(1)))
    worker.answer_model(MODEL)
    done = ends(engine, early)
    assert sum(end < ends(engine, late)[0] for end in done) == 4


def test_tenants_with_many_requests_take_turns_of_one_pass(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    early, late = waiting(engine, 16), []
    between_passes(worker, monkeypatch, (late.extend(waiting(engine, 20, other)) for _ in range(1)))
    worker.answer_model(MODEL)
    ends(engine, [*early, *late])
    with engine.connect() as connection:
        rows = connection.execute(
            select(work_item.c.finished_at, work_item.c.tenant_id)
            .where(work_item.c.job_id.in_([*early, *late]))
            .distinct()
            .order_by(work_item.c.finished_at)
        ).all()
    passes = [row.tenant_id for row in rows]
    assert passes[:7] == ["local", other, "local", other, "local", other, "local"]
    assert passes.count("local") == 4


def test_what_waits_overtakes_a_batch_after_one_pass(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = waiting(engine, 12)
    with engine.begin() as connection:
        connection.execute(update(work_item).where(work_item.c.job_id.in_(batch)).values(priority=0))
    late: list[str] = []
    between_passes(worker, monkeypatch, (late.extend(waiting(engine, 1)) for _ in range(1)))
    worker.answer_model(MODEL)
    assert sum(end < ends(engine, late)[0] for end in ends(engine, batch)) == 4
