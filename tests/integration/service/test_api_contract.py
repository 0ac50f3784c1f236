"""What the API promises while no worker is there: acceptance, problems, limits, waiting, cancelling."""

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis
from api_service import api_process, json_lines, problem_of
from kept_services import KeptService, ServicePlan
from polling import until
from seeded_work import MODEL, count
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.pool import NullPool

from models.queries.writing.idempotency import IdempotencyKey, earlier_resource
from models.tables import dataset, document, inquiry, job, model, outbox, work_item, worker

pytestmark = pytest.mark.xdist_group("api with limits")

LIMITS = {
    "max_body_bytes": "20000",
    "max_upload_bytes": "60000",
    "max_document_characters": "5000",
    "max_turns": "20",
    "max_queued_documents": "40",
    "wait_seconds": "0.3",
    "inquiry_seconds": "0.5",
}
SERVICE = ServicePlan(LIMITS)
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(autouse=True)
def nothing_stored(service: KeptService, broker_url: str) -> None:
    """Each test begins with an empty database and an empty broker."""
    del broker_url
    service.empty()


def test_every_error_is_a_problem_document_whose_type_opens_as_a_page(api: httpx.Client) -> None:
    json_type = {"Content-Type": "application/json"}
    answers = [
        (api.get("/nowhere"), 404, "not-found"),
        (api.get("/v1/jobs/job_none"), 404, "not-found"),
        (api.get("/v1/jobs/job_none/events"), 404, "not-found"),
        (api.get("/v1/analyses/%00"), 422, "invalid-request"),
        (api.delete("/v1/datasets/none"), 404, "not-found"),
        (api.put("/v1/analyses"), 405, "method-not-allowed"),
        (api.post("/v1/analyses", content=b"{", headers=json_type), 400, "malformed-json"),
        (api.post("/v1/analyses", content=b"\xff", headers=json_type), 400, "malformed-json"),
        (api.post("/v1/analyses", content=b"a=b", headers={"Content-Type": "text/csv"}), 415, "unsupported-media-type"),
        (api.post("/v1/analyses", content=b"{}"), 415, "unsupported-media-type"),
        (
            api.post("/v1/analyses", content=b"x", headers={**json_type, "Content-Encoding": "gzip"}),
            415,
            "unsupported-media-type",
        ),
        (api.post("/v1/analyses", json={}), 422, "invalid-request"),
        (api.post("/v1/analyses", json={"text": "a", "model": "none"}), 422, "model-unknown"),
        (api.post("/v1/analyses", json={"text": "a"}, headers={"Cancel-After": "soon"}), 400, "bad-header"),
        (api.post("/v1/analyses", json={"text": "a"}, headers={"Idempotency-Key": "a b"}), 400, "bad-header"),
        (api.get("/v1/jobs?cursor=abc"), 400, "bad-cursor"),
        (api.get("/v1/jobs?limit=201"), 422, "invalid-request"),
        (api.get("/v1/analyses?sort=beauty"), 422, "invalid-request"),
        (api.get("/v1/analyses?min_beauty=1"), 422, "invalid-request"),
        (api.get("/v1/analyses?min_entropy=high"), 422, "invalid-request"),
        (api.post("/v1/batches", json={"dataset_id": "none"}), 422, "dataset-unknown"),
        (api.post("/v1/search", json={"analysis_id": "none"}), 422, "analysis-unknown"),
    ]
    for answer, status, name in answers:
        problem = problem_of(answer, status, name)
        page = api.get(problem["type"])
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "What to do" in page.text
    problem_of(api.get("/problems/none"), 404, "not-found")


def test_a_method_that_does_not_exist_is_answered_with_those_that_do(api: httpx.Client) -> None:
    assert api.put("/v1/analyses").headers["allow"] == "GET, POST"
    assert api.post("/v1/analyses/an_x").headers["allow"] == "DELETE, GET, PATCH"
    assert api.get("/v1/batches").headers["allow"] == "POST"


def test_wrong_fields_are_each_named_by_a_pointer(api: httpx.Client) -> None:
    turns = [{"speaker": "Ana", "text": "hi"}, {"speaker": "Bo\nAna", "text": " "}]
    sent = {"conversation": {"turns": turns}, "overflow": "drop", "colour": 1, "labels": {"a": 1}}
    errors = problem_of(api.post("/v1/analyses", json=sent), 422, "invalid-request")["errors"]
    assert {error["pointer"] for error in errors} == {
        "/conversation/turns/1/speaker",
        "/conversation/turns/1/text",
        "/overflow",
        "/colour",
        "/labels/a",
    }
    both = problem_of(api.post("/v1/analyses", json={"text": "a", "messages": []}), 422, "invalid-request")
    assert both["errors"]
    none = problem_of(api.post("/v1/analyses", json={}), 422, "invalid-request")
    assert "exactly one of `conversation`, `text`, `messages`, `transcript`" in none["errors"][0]["message"]


def test_a_limits_problem_names_the_limit_and_the_actual_value(api: httpx.Client) -> None:
    long = problem_of(api.post("/v1/analyses", json={"text": "a" * 5001}), 422, "document-too-large")
    assert (long["limit"], long["actual"]) == (5000, 5001)
    turns = [{"speaker": "A", "text": "b"}] * 21
    many = problem_of(api.post("/v1/analyses", json={"conversation": {"turns": turns}}), 422, "document-too-large")
    assert (many["limit"], many["actual"]) == (20, 21)
    body = problem_of(api.post("/v1/analyses", json={"text": "a" * 30_000}), 413, "body-too-large")
    assert body["limit"] == 20_000
    assert body["actual"] > 30_000

    def unannounced() -> Iterator[bytes]:
        yield from [b'{"text": "']
        for _ in range(40):
            yield b"a" * 1000

    streamed = api.post("/v1/analyses", content=unannounced(), headers={"Content-Type": "application/json"})
    assert problem_of(streamed, 413, "body-too-large")["actual"] > 20_000
    upload = problem_of(api.post("/v1/datasets", content=b"x" * 60_001), 413, "body-too-large")
    assert (upload["limit"], upload["actual"]) == (60_000, 60_001)


def test_a_full_queue_refuses_more_and_says_how_full_it_is(api: httpx.Client) -> None:
    dataset_id = api.post("/v1/datasets", content=json_lines(*[{"text": "a"}] * 30)).json()["id"]
    first = api.post("/v1/batches", json={"dataset_id": dataset_id})
    assert first.status_code == 202
    full = problem_of(api.post("/v1/batches", json={"dataset_id": dataset_id}), 429, "queue-full")
    assert (full["limit"], full["actual"]) == (40, 60)
    assert api.post("/v1/analyses", json={"text": "a"}, headers=ASYNC).status_code == 202
    api.post(first.headers["location"] + "/cancel")
    assert api.post("/v1/batches", json={"dataset_id": dataset_id}).status_code == 202


def test_a_wait_ends_in_time_with_the_job_and_where_to_look(api: httpx.Client) -> None:
    begun = time.monotonic()
    answer = api.post("/v1/analyses", json={"text": "Nobody is there to read it."})
    assert answer.status_code == 202
    assert 0.25 < time.monotonic() - begun < 20
    assert "preference-applied" not in answer.headers
    found = answer.json()
    assert (found["kind"], found["state"], found["result"]) == ("analysis", "queued", None)
    assert answer.headers["location"] == f"/v1/jobs/{found['id']}"
    assert answer.headers["retry-after"] == "1"
    begun = time.monotonic()
    polled = api.get(answer.headers["location"], headers={"Prefer": "wait=1"})
    assert 0.9 < time.monotonic() - begun < 20
    assert polled.headers["preference-applied"] == "wait=1"
    assert polled.json()["state"] == "queued"
    at_once = api.post("/v1/analyses", json={"text": "b"}, headers={"Prefer": "wait=0"})
    assert (at_once.status_code, at_once.headers["preference-applied"]) == (202, "wait=0")


def test_acceptance_is_one_transaction_and_its_wakeup_is_sent_at_once(
    api: httpx.Client, engine: Engine, broker_url: str
) -> None:
    assert api.post("/v1/analyses", json={"text": "Read me."}, headers=ASYNC).status_code == 202
    assert (count(engine, job), count(engine, document), count(engine, work_item)) == (1, 1, 1)
    until(lambda: count(engine, outbox) == 0, "an outbox that is sent", 10)
    with redis.Redis.from_url(broker_url.replace("redis+socket://", "unix://")) as broker:
        assert broker.llen("model:all-MiniLM-L6-v2") == 1


def test_a_lost_broker_loses_nothing(database_url: str, tmp_path: Path) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    nowhere = "redis+socket:///tmp/no-such-socket-of-hearken"
    with api_process(database_url, nowhere, tmp_path / "api.log", **LIMITS) as api:
        assert api.post("/v1/analyses", json={"text": "Read me."}, headers=ASYNC).status_code == 202
        assert (count(engine, work_item), count(engine, outbox)) == (1, 1)
        checks = problem_of(api.get("/readyz"), 503, "not-ready")["checks"]
        assert checks == {
            "database": "ok",
            "broker": "does not answer",
            "workers": {"all-MiniLM-L6-v2": 0},
            "models": {"all-MiniLM-L6-v2": "registered"},
        }


def test_a_database_that_is_away_is_503_and_the_service_stays_alive(broker_url: str, tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://hearken@/hearken?host=/tmp/no-such-folder-of-hearken"
    with api_process(nowhere, broker_url, tmp_path / "api.log") as api:
        answer = api.get("/v1/jobs")
        problem_of(answer, 503, "database-unavailable")
        assert answer.headers["retry-after"] == "2"
        assert problem_of(api.get("/readyz"), 503, "not-ready")["checks"]["database"] == "cannot be reached"
        assert api.get("/healthz").json() == {"status": "alive"}


def test_a_lock_that_is_not_given_is_503_and_leaves_readiness_alone(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with api_process(database_url, broker_url, tmp_path / "api.log", lock_seconds="0.2") as api:
        with engine.begin() as connection:
            connection.execute(
                insert(worker).values(id="wk_a", models=[MODEL], summaries=True, facts={"host": "a", "loaded": [MODEL]})
            )
            connection.execute(insert(model).values(id=MODEL, state="ready"))
        ready = api.get("/readyz")
        assert ready.status_code == 200
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE worker, job IN ACCESS EXCLUSIVE MODE"))
            answer = api.post("/v1/analyses", json={"text": "Read me."}, headers=ASYNC)
            problem_of(answer, 503, "database-unavailable")
            assert answer.headers["retry-after"] == "2"
            assert (api.get("/readyz").status_code, api.get("/readyz").json()) == (200, ready.json())
        assert api.post("/v1/analyses", json={"text": "Read me."}, headers=ASYNC).status_code == 202


def test_an_upload_whose_copy_is_cancelled_is_503_and_stores_nothing(api: httpx.Client, engine: Engine) -> None:
    cancel = text(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE 'COPY document%' AND wait_event = 'PgSleep'"
    )

    def cancelled() -> bool:
        with engine.begin() as connection:
            return connection.execute(cancel).first() is not None

    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$"
            )
        )
        connection.execute(
            text("CREATE TRIGGER take_long BEFORE INSERT ON document FOR EACH STATEMENT EXECUTE FUNCTION take_long()")
        )
    try:
        with ThreadPoolExecutor(1) as threads:
            sent = threads.submit(api.post, "/v1/datasets", content=json_lines({"text": "a"}))
            until(cancelled, "a copy to cancel")
            answer = sent.result()
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TRIGGER take_long ON document"))
    problem_of(answer, 503, "database-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert (count(engine, dataset), count(engine, document)) == (0, 0)


def test_cancelling_drops_what_waits_and_a_waiting_client_is_told(api: httpx.Client) -> None:
    dataset_id = api.post("/v1/datasets", content=json_lines(*[{"text": "a"}] * 5)).json()["id"]
    accepted = api.post("/v1/batches", json={"dataset_id": dataset_id})
    in_use = problem_of(api.delete(f"/v1/datasets/{dataset_id}"), 409, "still-in-use")
    assert accepted.json()["id"] in in_use["detail"]
    cancelled = api.post(accepted.headers["location"] + "/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert cancelled["progress"]["cancelled"] == cancelled["progress"]["total"] == 5
    assert api.post(accepted.headers["location"] + "/cancel").json() == cancelled
    assert api.delete(f"/v1/datasets/{dataset_id}").status_code == 204
    after = api.get(accepted.headers["location"]).json()
    assert after["progress"]["cancelled"] == after["progress"]["total"] == 5

    key = {"Idempotency-Key": "one"}
    waiting = api.post("/v1/analyses", json={"text": "a"}, headers={**ASYNC, **key})
    api.post(waiting.headers["location"] + "/cancel")
    problem = problem_of(api.post("/v1/analyses", json={"text": "a"}, headers=key), 409, "job-cancelled")
    assert problem["job"] == waiting.headers["location"]


def test_cancel_after_is_kept_with_the_job(api: httpx.Client, engine: Engine) -> None:
    api.post("/v1/analyses", json={"text": "a"}, headers={**ASYNC, "Cancel-After": "90s"})
    with engine.connect() as connection:
        seconds = func.extract("epoch", job.c.cancel_after - job.c.created_at)
        assert float(connection.execute(select(seconds)).scalar_one()) == 90.0


def test_a_key_is_held_until_its_first_request_is_accepted(api: httpx.Client, engine: Engine) -> None:
    with engine.begin() as connection:
        assert earlier_resource(connection, "local", IdempotencyKey("mine", b"", 24)) is None
        answer = api.post("/v1/analyses", json={"text": "a"}, headers={**ASYNC, "Idempotency-Key": "mine"})
        problem_of(answer, 409, "idempotency-key-in-progress")
    again = api.post("/v1/analyses", json={"text": "a"}, headers={**ASYNC, "Idempotency-Key": "mine"})
    assert again.status_code == 202
    with engine.begin() as connection:
        connection.execute(text("UPDATE idempotency SET created_at = now() - interval '25 hours'"))
    later = api.post("/v1/analyses", json={"text": "b"}, headers={**ASYNC, "Idempotency-Key": "mine"})
    assert later.status_code == 202, "keys are kept for 24 hours"


def test_refused_requests_do_not_use_up_their_key(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "again", **ASYNC}
    problem_of(api.post("/v1/analyses", json={"text": "a", "model": "none"}, headers=key), 422, "model-unknown")
    assert api.post("/v1/analyses", json={"text": "a"}, headers=key).status_code == 202


def test_a_data_set_says_what_arrived(api: httpx.Client, engine: Engine) -> None:
    body = b"\xef\xbb\xbf" + json_lines(
        {"id": "1", "text": 'tab\tquote" back\\slash\r\nline', "labels": {"k": "v\\N"}},
        {"domain": "talk", "turns": [{"speaker": "Ana", "text": "hé 👋"}], "cluster": "c"},
        {"domain": "talk", "messages": [{"role": "user", "content": "x"}]},
    )
    answer = api.post("/v1/datasets?name=mine&domain=prose", content=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["sha256"] == hashlib.sha256(body).hexdigest()
    assert (found["name"], found["documents"], found["bytes"]) == ("mine", 3, len(body))
    assert found["domains"] == {"prose": 1, "talk": 2}
    assert api.get(answer.headers["location"]).json() == found
    assert api.get("/v1/datasets").json()["items"] == [found]
    again = api.post("/v1/datasets?name=mine&domain=prose", content=body, headers={"Idempotency-Key": "k"})
    assert again.json() == found
    assert count(engine, dataset) == 1
    with engine.connect() as connection:
        rows = connection.execute(select(document).order_by(document.c.position)).all()
    assert rows[0].content == {"text": 'tab\tquote" back\\slash\r\nline'}
    assert (rows[0].external_id, rows[0].labels, rows[0].domain) == ("1", {"k": "v\\N"}, "prose")
    assert rows[1].content == {"turns": [{"speaker": "Ana", "text": "hé 👋"}]}
    assert (rows[1].external_id, rows[1].cluster, rows[1].labels) == (None, "c", {})


def test_fields_of_other_peoples_data_are_passed_over_and_counted(api: httpx.Client) -> None:
    body = json_lines(
        {"text": "one", "source": "a book", "license": "CC0"},
        {
            "turns": [{"speaker": "Ana", "text": "Hi", "time": 3.5}, {"speaker": "Bo", "text": "Yo", "time": 4}],
            "source": "b",
        },
    )
    found = api.post("/v1/datasets", content=body).json()
    assert found["documents"] == 2
    assert found["passed_over"] == {"license": 1, "source": 2, "turns.time": 1}
    assert api.get(f"/v1/datasets/{found['id']}").json() == found


def test_a_bad_line_refuses_the_whole_data_set_by_its_number(api: httpx.Client, engine: Engine) -> None:
    good = json_lines({"text": "a"}).decode()
    body = good + '{"txt": "b"}\n\n[1]\n{"turns": [{"speaker": "A", "text": " "}]}\n{"text": "c\\u0000"}\n' + good + "{"
    errors = problem_of(api.post("/v1/datasets", content=body), 422, "bad-dataset")["errors"]
    assert [(error["line"], error["pointer"]) for error in errors] == [
        (2, ""),
        (4, ""),
        (5, "/turns/0/text"),
        (6, "/text"),
        (8, ""),
    ]
    as_lines = {"Content-Type": "application/x-ndjson"}
    many = problem_of(api.post("/v1/datasets", content="x\n" * 100, headers=as_lines), 422, "bad-dataset")["errors"]
    assert [error["line"] for error in many] == list(range(1, 21))
    problem_of(api.post("/v1/datasets", content=b"\n\n"), 422, "no-documents")
    problem_of(
        api.post("/v1/datasets", content=b"a", headers={"Content-Type": "text/html"}),
        415,
        "unsupported-media-type",
    )
    assert (count(engine, dataset), count(engine, document)) == (0, 0)


def test_a_comparison_names_the_group_that_is_too_small(api: httpx.Client, engine: Engine) -> None:
    lines = [{"domain": "a", "text": f"a {n}"} for n in range(8)] + [
        {"domain": "b", "text": f"b {n}"} for n in range(7)
    ]
    dataset_id = api.post("/v1/datasets", content=json_lines(*lines)).json()["id"]
    groups = [{"name": name, "dataset_id": dataset_id, "domain": name} for name in ("a", "b")]
    small = problem_of(api.post("/v1/comparisons", json={"groups": groups}), 422, "too-few-documents")
    assert "'b'" in small["detail"]
    assert (small["limit"], small["actual"], small["errors"][0]["pointer"]) == (8, 7, "/groups/1")
    assert (count(engine, job), count(engine, work_item)) == (0, 0)
    groups[1]["domain"] = "a"
    accepted = api.post("/v1/comparisons", json={"groups": groups, "window_tokens": 64, "seed": 5})
    assert (accepted.status_code, accepted.json()["progress"]["total"]) == (202, 16)
    with engine.connect() as connection:
        rows = connection.execute(select(work_item.c.options, work_item.c.group_position)).all()
    assert {row.group_position for row in rows} == {0, 1}
    assert {row.options["sampling"]["window_tokens"] for row in rows} == {64}
    comparison = api.get(accepted.json()["result"]).json()
    assert (comparison["state"], comparison.get("report"), comparison["request"]["seed"]) == ("queued", None, 5)
    cancelled = api.post(accepted.headers["location"] + "/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert api.get(accepted.json()["result"]).json()["state"] == "cancelled"


def test_search_without_a_worker_is_told_to_come_back_and_leaves_nothing(api: httpx.Client, engine: Engine) -> None:
    answer = api.post("/v1/search", json={"text": "rain"})
    problem_of(answer, 503, "model-busy")
    assert int(answer.headers["retry-after"]) > 0
    assert count(engine, inquiry) == 0


def test_lists_are_newest_first_and_pages_meet(api: httpx.Client) -> None:
    made = [
        api.post("/v1/analyses", json={"text": f"text {number}"}, headers=ASYNC).json()["id"] for number in range(7)
    ]
    found: list[str] = []
    cursor = None
    while True:
        page = api.get("/v1/jobs", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        found += [entry["id"] for entry in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == made[::-1]
    assert api.get("/v1/jobs?state=succeeded").json() == {"items": [], "next": None}
    assert len(api.get("/v1/jobs?kind=analysis&state=queued").json()["items"]) == 7


def test_a_stop_answers_whoever_waits_within_seconds(database_url: str, broker_url: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with api_process(database_url, broker_url, tmp_path / "api.log") as api:
            url = f"{api.base_url}/v1/analyses"
            waiting = pool.submit(
                httpx.post, url, json={"text": "Nobody reads it."}, headers={"Prefer": "wait=60"}, timeout=70
            )
            until(lambda: "hearken_http_waiting 1.0" in api.get("/metrics").text, "a client that waits", 10)
            begun = time.monotonic()
        assert waiting.result().status_code == 202
        assert time.monotonic() - begun < 20


def test_hostile_field_names_are_counted_without_harm(api: httpx.Client) -> None:
    names = ["a\x00b", "x" * 5000, *(f"field {number}" for number in range(300))]
    line = json.dumps({"text": "a", **dict.fromkeys(names, 1)}).encode()
    found = api.post("/v1/datasets", content=line).json()
    assert len(found["passed_over"]) <= 101
    assert sum(found["passed_over"].values()) == 302
    assert max(map(len, found["passed_over"])) == 100
