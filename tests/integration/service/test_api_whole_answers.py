"""An answer is whole: what others delete, finish or store while it is read shows in all of it or in none.

The service runs in this process, and before a chosen one of its statements the disturbance is committed by a connection
of its own; every statement of a request is chosen once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from api_in_process import served_here
from api_service import json_lines, problem_of
from seeded_analyses import add_analyses
from seeded_work import MODEL, add_job, unique_text
from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text, update
from sqlalchemy.exc import OperationalError

from attention.definitions import PROFILE
from models.errors import Refused
from models.queries.writing.deletion import delete_analysis, delete_comparison, delete_dataset, delete_job
from models.tables import (
    LOCAL_TENANT,
    analysis,
    comparison,
    comparison_file,
    dataset,
    idempotency,
    job,
    measurement,
    measurement_turn,
    model,
    profile,
    profile_scale,
    work_item,
    worker,
)

pytestmark = pytest.mark.xdist_group("api whole answers")

Seed = TypeVar("Seed")
MOST_STATEMENTS = 60
REQUEST = {"groups": [{"name": name, "dataset_id": f"ds_{name}", "model": MODEL} for name in "ab"], "model": MODEL}


@pytest.fixture
def impatient_engine(database_url: str) -> Iterator[Engine]:
    """Connections that give up where the service holds a lock: then it could not be disturbed there."""
    made = create_engine(database_url, connect_args={"options": "-c lock_timeout=300"})
    yield made
    made.dispose()


@pytest.fixture
def answers(
    database_url: str, celery_broker: str, impatient_engine: Engine
) -> Callable[..., list[tuple[httpx.Response, httpx.Response]]]:
    """Asks over and over, each time disturbed before another statement: (undisturbed, disturbed) answers of each."""

    def collect(
        seed: Callable[[Connection], Seed],
        ask: Callable[[httpx.AsyncClient, Seed], Awaitable[httpx.Response]],
        disturb: Callable[[Connection, Seed], None],
        *,
        calm: bool = True,
    ) -> list[tuple[httpx.Response, httpx.Response]]:
        return asyncio.run(_collect(database_url, celery_broker, impatient_engine, seed, ask, disturb, calm))

    return collect


async def _collect(
    database_url: str, broker_url: str, impatient_engine: Engine, seed: Any, ask: Any, disturb: Any, calm: bool
) -> list[tuple[httpx.Response, httpx.Response]]:
    found = []
    async with served_here(database_url, broker_url) as (client, service_engine):
        await client.get("/v1/jobs")  # so that the local tenant is known
        for moment in range(1, MOST_STATEMENTS):
            with impatient_engine.begin() as connection:
                made = seed(connection)
            whole = await ask(client, made) if calm else None
            statements = 0

            def count(*_: Any, moment: int = moment, made: Any = made) -> None:
                nonlocal statements
                statements += 1
                if statements == moment:
                    _commit(impatient_engine, disturb, made)

            event.listen(service_engine, "before_cursor_execute", count)
            try:
                answer = await ask(client, made)
            finally:
                event.remove(service_engine, "before_cursor_execute", count)
            found.append((whole or answer, answer))
            if statements < moment:
                assert moment > 1, "the request read nothing"
                return found
    raise AssertionError(f"a request of more than {MOST_STATEMENTS} statements")


def _commit(impatient_engine: Engine, disturb: Any, made: Any) -> None:
    try:
        with impatient_engine.begin() as connection:
            disturb(connection, made)
    except (Refused, OperationalError):
        pass  # not there yet, gone already, or held by the service


def is_whole_or_gone(pairs: list[tuple[httpx.Response, httpx.Response]]) -> None:
    """Each disturbed answer is the undisturbed one or a 404, and the last, which nothing disturbed, is whole."""
    for whole, answer in pairs:
        assert whole.status_code == 200, whole.text
        if answer.status_code == 404:
            problem_of(answer, 404, "not-found")
        else:
            assert answer.status_code == 200, answer.text
            assert answer.content == whole.content
    assert pairs[-1][1].status_code == 200
    assert pairs[0][1].status_code == 404, "the first statement comes after the disturbance"


def conversation(connection: Connection) -> str:
    """An analysis with four turns and the flow between them; its id."""
    job_id = add_analyses(connection, 2)
    row = connection.execute(
        select(analysis.c.id, analysis.c.measurement_id)
        .join_from(analysis, measurement)
        .where(analysis.c.job_id == job_id, measurement.c.turns.is_not(None))
    ).one()
    turns = [
        {"measurement_id": row.measurement_id, "turn": turn, "speaker": turn % 2, "tokens": 5} for turn in range(4)
    ]
    connection.execute(insert(measurement_turn), turns)
    connection.execute(
        text("UPDATE measurement_layer SET flow = array_fill(0.2, ARRAY[20]) WHERE measurement_id = :id"),
        {"id": row.measurement_id},
    )
    return str(row.id)


def test_an_analysis_with_all_its_parts_is_whole_or_not_found(answers: Any) -> None:
    async def ask(client: httpx.AsyncClient, made: str) -> httpx.Response:
        return await client.get(f"/v1/analyses/{made}?include=heads,turns,flow")

    def disturb(connection: Connection, made: str) -> None:
        delete_analysis(connection, LOCAL_TENANT, made)

    pairs = answers(conversation, ask, disturb)
    is_whole_or_gone(pairs)
    found = pairs[-1][1].json()
    assert [len(found["layers"]), len(found["turns_detail"]["speaker"]), len(found["flow"]["layers"])] == [3, 4, 3]


def test_failures_of_a_job_are_whole_or_not_found(answers: Any) -> None:
    def failed(connection: Connection) -> str:
        job_id = add_job(connection, ["a", "b"])
        connection.execute(
            update(work_item).where(work_item.c.job_id == job_id).values(state="failed", reason="document-empty")
        )
        return job_id

    async def ask(client: httpx.AsyncClient, job_id: str) -> httpx.Response:
        return await client.get(f"/v1/jobs/{job_id}/failures")

    def disturb(connection: Connection, job_id: str) -> None:
        delete_job(connection, LOCAL_TENANT, job_id)

    pairs = answers(failed, ask, disturb)
    is_whole_or_gone(pairs)
    assert len(pairs[-1][1].json()["items"]) == 2


def test_a_data_set_that_was_stored_is_answered_whoever_deletes_it(answers: Any) -> None:
    async def ask(client: httpx.AsyncClient, _: None) -> httpx.Response:
        return await client.post("/v1/datasets", content=json_lines({"text": "a"}, {"text": "b"}))

    def disturb(connection: Connection, _: None) -> None:
        newest = select(dataset.c.id).order_by(dataset.c.created_at.desc()).limit(1)
        delete_dataset(connection, LOCAL_TENANT, connection.execute(newest).scalar() or "")

    for _, answer in answers(lambda _: None, ask, disturb, calm=False):
        assert answer.status_code == 201, answer.text
        assert answer.json()["documents"] == 2


def earlier(connection: Connection, resource: str) -> None:
    """Have every idempotency key name this as what its first request made."""
    connection.execute(update(idempotency).values(resource=resource))


@pytest.mark.parametrize("what", ["analysis", "job"])
def test_a_key_sent_again_finds_its_analysis_or_hears_that_it_was_deleted(
    answers: Any, impatient_engine: Engine, what: str
) -> None:
    sent = {"text": unique_text()}
    first = True

    async def ask(client: httpx.AsyncClient, job_id: str) -> httpx.Response:
        nonlocal first
        key = {"Idempotency-Key": "mine"}
        if first:
            await client.post("/v1/analyses", json=sent, headers={**key, "Prefer": "respond-async"})
            first = False
        with impatient_engine.begin() as connection:
            earlier(connection, job_id)
        return await client.post("/v1/analyses", json=sent, headers=key)

    def disturb(connection: Connection, job_id: str) -> None:
        if what == "job":
            delete_job(connection, LOCAL_TENANT, job_id)
        else:
            chosen = select(analysis.c.id).where(analysis.c.job_id == job_id)
            delete_analysis(connection, LOCAL_TENANT, connection.execute(chosen).scalar_one())

    pairs = answers(lambda connection: add_analyses(connection, 1), ask, disturb)
    for whole, answer in pairs:
        assert whole.status_code == 201
        if answer.status_code == 201:
            assert answer.content == whole.content
        else:
            problem_of(answer, 410, "idempotency-key-forgotten")
    assert {answer.status_code for _, answer in pairs} == {201, 410}


def test_without_a_key_a_deleted_job_is_told_as_what_it_is(answers: Any) -> None:
    """Nobody sent an Idempotency-Key, so no answer may say that it was forgotten."""

    async def ask(client: httpx.AsyncClient, _: None) -> httpx.Response:
        return await client.post("/v1/analyses", json={"text": unique_text()}, headers={"Prefer": "wait=0.2"})

    def disturb(connection: Connection, _: None) -> None:
        newest = select(job.c.id).order_by(job.c.created_at.desc()).limit(1)
        delete_job(connection, LOCAL_TENANT, connection.execute(newest).scalar() or "")

    pairs = answers(lambda _: None, ask, disturb, calm=False)
    for _, answer in pairs:
        if answer.status_code == 202:
            assert answer.json()["state"] == "queued"
        else:
            assert "deleted" in problem_of(answer, 409, "job-cancelled")["detail"]
    assert {answer.status_code for _, answer in pairs} == {202, 409}


def test_a_batch_under_a_key_is_its_job_or_was_deleted(answers: Any, impatient_engine: Engine) -> None:
    given = ""

    async def ask(client: httpx.AsyncClient, job_id: str) -> httpx.Response:
        nonlocal given
        key = {"Idempotency-Key": "mine"}
        if not given:
            stored = await client.post("/v1/datasets", content=json_lines({"text": "a"}))
            given = stored.json()["id"]
            await client.post("/v1/batches", json={"dataset_id": given}, headers=key)
        with impatient_engine.begin() as connection:
            earlier(connection, job_id)
        return await client.post("/v1/batches", json={"dataset_id": given}, headers=key)

    def disturb(connection: Connection, job_id: str) -> None:
        delete_job(connection, LOCAL_TENANT, job_id)

    pairs = answers(lambda connection: add_analyses(connection, 1), ask, disturb)
    for whole, answer in pairs:
        assert whole.status_code == 202
        if answer.status_code == 202:
            assert answer.content == whole.content
        else:
            problem_of(answer, 410, "idempotency-key-forgotten")
    assert {answer.status_code for _, answer in pairs} == {202, 410}


def compared(connection: Connection, state: str = "succeeded") -> str:
    """A comparison with a map of three points, heads and a report; its id."""
    job_id = add_job(connection, [], kind="comparison", request=REQUEST)
    points = [{"analysis_id": f"an_{n}", "group": "a", "x": 1.0, "y": 2.0} for n in range(3)]
    tests = {name: [[0.5]] for name in ("epsilon_squared", "p", "p_adjusted", "p_familywise")}
    drawn = {"method": "t-SNE", "perplexity": 1.0, "trustworthiness": 1.0, "trustworthiness_documents": 3}
    result = {
        "groups": [],
        "maps": [{"space": "embedding", "layer": None, "seed": 0, **drawn, "points": points}],
        "metrics": ["distance"],
        "heads": {"distance": {**tests, "means": {"a": [[1.0]]}}},
        "figures": [],
    }
    connection.execute(update(job).where(job.c.id == job_id).values(state=state))
    connection.execute(update(comparison).where(comparison.c.job_id == job_id).values(state="done", result=result))
    made = connection.execute(select(comparison.c.id).where(comparison.c.job_id == job_id)).scalar_one()
    if state == "succeeded":
        report(connection, made)
    return str(made)


def report(connection: Connection, made: str) -> None:
    row = {"comparison_id": made, "name": "report.html", "media_type": "text/html", "body": b"<html>"}
    connection.execute(insert(comparison_file).values(row))


def test_a_comparison_is_whole_or_not_found(answers: Any) -> None:
    def disturb(connection: Connection, made: str) -> None:
        delete_comparison(connection, LOCAL_TENANT, made)

    async def ask(client: httpx.AsyncClient, made: str) -> httpx.Response:
        return await client.get(f"/v1/comparisons/{made}")

    async def ask_points(client: httpx.AsyncClient, made: str) -> httpx.Response:
        return await client.get(f"/v1/comparisons/{made}/points")

    async def ask_heads(client: httpx.AsyncClient, made: str) -> httpx.Response:
        return await client.get(f"/v1/comparisons/{made}/heads?metric=distance")

    pairs = answers(compared, ask, disturb)
    is_whole_or_gone(pairs)
    assert pairs[-1][1].json()["report"] is not None
    points = answers(compared, ask_points, disturb)
    is_whole_or_gone(points)
    assert len(points[-1][1].json()["items"]) == 3
    heads = answers(compared, ask_heads, disturb)
    is_whole_or_gone(heads)
    for _, answer in heads:
        assert answer.status_code == 200 or answer.json()["detail"].startswith("There is no comparison cmp_")


def test_a_report_that_is_stored_meanwhile_is_there_or_not_there_yet(answers: Any) -> None:
    async def ask(client: httpx.AsyncClient, made: str) -> httpx.Response:
        return await client.get(f"/v1/comparisons/{made}/report")

    def disturb(connection: Connection, made: str) -> None:
        report(connection, made)
        found = select(comparison.c.job_id).where(comparison.c.id == made).scalar_subquery()
        connection.execute(update(job).where(job.c.id == found).values(state="succeeded"))

    pairs = answers(lambda connection: compared(connection, "summarizing"), ask, disturb)
    for whole, answer in pairs:
        problem_of(whole, 409, "no-result-yet")
        if answer.status_code != 200:
            problem_of(answer, 409, "no-result-yet")
    assert {answer.status_code for _, answer in pairs} == {200, 409}


def test_a_model_and_its_workers_are_of_the_same_moment(answers: Any) -> None:
    def none(connection: Connection) -> None:
        connection.execute(text("DELETE FROM worker"))
        connection.execute(text("DELETE FROM model"))

    async def ask(client: httpx.AsyncClient, _: None) -> httpx.Response:
        return await client.get("/v1/models")

    def disturb(connection: Connection, _: None) -> None:
        connection.execute(insert(model).values(id=MODEL, state="ready"))
        connection.execute(insert(worker).values(id="w", models=[MODEL], summaries=False, facts={}))

    seen = set()
    for _, answer in answers(none, ask, disturb):
        (served,) = answer.json()["items"]
        seen.add((served["state"], served["workers"]))
    assert seen == {("registered", 0), ("ready", 1)}


def test_a_profile_that_is_stored_meanwhile_is_found_or_counted_as_missing(answers: Any) -> None:
    keys: dict[str, Any] = {}

    def seed(connection: Connection) -> int:
        """Two analyses, of which one has a profile; the other's measurement."""
        if not keys:
            keys["job"] = add_analyses(connection, 2)
            version = connection.execute(text("SELECT key FROM model_version")).scalar_one()
            scale = {"version_key": version, "definition": PROFILE, "means": [0.0] * 4, "deviations": [1.0] * 4}
            keys["scale"] = connection.execute(
                insert(profile_scale).values(scale).returning(profile_scale.c.key)
            ).scalar_one()
        one, other = connection.execute(select(measurement.c.id).order_by(measurement.c.id)).scalars()
        connection.execute(text("DELETE FROM profile"))
        connection.execute(update(measurement).values(profiled=False))
        store(connection, one)
        return int(other)

    def store(connection: Connection, measurement_id: int) -> None:
        row = {"measurement_id": measurement_id, "tenant_id": LOCAL_TENANT, "scale_key": keys["scale"]}
        connection.execute(insert(profile).values(**row, profile=[1.0, 0.0, 0.0, 0.0]))
        connection.execute(update(measurement).where(measurement.c.id == measurement_id).values(profiled=True))

    async def ask(client: httpx.AsyncClient, _: int) -> httpx.Response:
        return await client.post("/v1/search", json={"space": "profile", "vector": [1.0, 0.0, 0.0, 0.0]})

    pairs = answers(seed, ask, store)
    for _, answer in pairs:
        found = json.loads(answer.content)
        assert answer.status_code == 200, answer.text
        assert len(found["items"]) + found["profile"]["missing"] == 2
    assert {len(answer.json()["items"]) for _, answer in pairs} == {1, 2}
