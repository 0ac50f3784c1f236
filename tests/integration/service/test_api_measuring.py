"""What the API promises of measuring, with a real worker behind it."""

import json
import math
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from api_service import job_at, json_lines, problem_of
from kept_services import ServicePlan
from seeded_work import MODEL, count, unique_text, words
from worker_fleet import Fleet

from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES
from models.schemas.analyses import Analysis
from models.schemas.jobs import Job
from models.tables import document, embedding, inquiry, measurement, outbox, work_item

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

TALK = {
    "turns": [
        {"speaker": "Ana", "text": "Are you coming to the lake?"},
        {"speaker": "Bo", "text": "Yes, at six, if the bus runs."},
        {"speaker": "Ana", "text": "Then bring the blue folder."},
    ]
}


@pytest.fixture(scope="module")
def batch(api: httpx.Client) -> Any:
    """A data set of two domains, measured; its id and its job."""
    lines = [
        {"id": f"{domain}-{number}", "domain": domain, "text": f"{domain} {words(30 + number, number + shift)}",
         "labels": {"half": "first" if number < 5 else "second"}}
        for shift, domain in enumerate(("prose", "talk"))
        for number in range(10)
    ]  # fmt: skip
    dataset = api.post("/v1/datasets?name=two domains", content=json_lines(*lines)).json()
    job = job_at(api, api.post("/v1/batches", json={"dataset_id": dataset["id"]}))
    assert job["state"] == "succeeded"
    assert job["progress"]["done"] == 20
    return {"dataset": dataset["id"], "job": job["id"]}


def test_a_conversation_is_answered_with_every_field_of_the_contract(api: httpx.Client) -> None:
    sent = {
        "conversation": TALK,
        "domain": "conversation",
        "external_id": "call-17",
        "labels": {"team": "support"},
    }
    answer = api.post("/v1/analyses", json=sent)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    Analysis.model_validate(found)
    assert answer.headers["location"] == f"/v1/analyses/{found['id']}"
    assert found["model"]["id"] == MODEL
    assert (found["domain"], found["external_id"], found["labels"]) == ("conversation", "call-17", {"team": "support"})
    assert (found["turns"], found["speakers"], found["windows"]) == (3, ["Ana", "Bo"], 1)
    assert (found["truncated"], found["cached"]) == (False, False)
    assert list(found["metrics"]) == list(METRIC_NAMES)
    assert [layer["layer"] for layer in found["layers"]] == [0, 1, 2, 3, 4, 5]
    for name in ("distance", "entropy", "sink", "cross_turn"):
        mean = sum(layer[name] for layer in found["layers"]) / 6
        assert found["metrics"][name] == pytest.approx(mean, rel=1e-9)
    assert found["embedding"] == {"dimension": 384}
    assert set(found["timing"]) >= {"queued_ms", "tokenize_ms", "forward_ms", "store_ms"}
    assert found["created_at"].endswith("Z")
    assert "heads" not in found
    assert "flow" not in found
    assert "tokens_detail" not in found
    again = api.get(answer.headers["location"])
    assert again.json() == found


def test_heads_average_to_layers_and_rows_of_the_flow_sum_to_one(api: httpx.Client) -> None:
    made = api.post("/v1/analyses", json={"conversation": TALK}).json()
    found = api.get(f"/v1/analyses/{made['id']}?include=heads,flow").json()
    assert list(found["heads"]) == list(METRIC_NAMES)
    for name in ("distance", "dispersion", "own_history"):
        for layer, heads in zip(found["layers"], found["heads"][name], strict=True):
            assert len(heads) == 12
            assert sum(heads) / 12 == pytest.approx(layer[name], rel=1e-5)
    assert found["flow"]["columns"] == ["scaffold", "0", "1", "2"]
    assert len(found["flow"]["layers"]) == 6
    for matrix in found["flow"]["layers"]:
        assert [len(row) for row in matrix] == [4, 4, 4]
        assert [sum(row) for row in matrix] == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)


def test_metrics_of_turns_are_null_for_a_text(api: httpx.Client) -> None:
    found = api.post("/v1/analyses", json={"text": unique_text()}).json()
    assert found["turns"] is None
    assert {found["metrics"][name] for name in CONVERSATION_METRIC_NAMES} == {None}
    assert found["metrics"]["entropy"] > 0
    included = api.get(f"/v1/analyses/{found['id']}?include=heads,flow").json()
    assert included["flow"] is None
    assert included["heads"]["cross_turn"] == [[None] * 12] * 6


def test_a_transcript_equals_the_conversation_that_it_writes_down(api: httpx.Client) -> None:
    lines = "".join(f"{turn['speaker']}: {turn['text']}\n" for turn in TALK["turns"])
    written = api.post("/v1/analyses", json={"transcript": {"format": "lines", "content": lines}}).json()
    spoken = api.post("/v1/analyses", json={"conversation": TALK}).json()
    assert written["metrics"] == spoken["metrics"]
    bad = api.post("/v1/analyses", json={"transcript": {"format": "lines", "content": "Ana: hi\nnobody"}})
    problem = problem_of(bad, 422, "document-bad-transcript")
    assert problem["errors"][0]["pointer"] == "/transcript/content"
    assert problem["errors"][0]["line"] == 2


def test_equal_work_is_answered_at_once_without_a_worker(api: httpx.Client, workers: Fleet) -> None:
    text = unique_text()
    first = api.post("/v1/analyses", json={"text": text}).json()
    before = count(workers.engine, measurement)
    second = api.post("/v1/analyses", json={"text": text, "domain": "other"}, headers={"Prefer": "respond-async"})
    assert second.status_code == 201, "nothing had to be waited for"
    assert second.json()["cached"] is True
    assert first["cached"] is False
    assert second.json()["metrics"] == first["metrics"]
    assert second.json()["id"] != first["id"]
    assert count(workers.engine, measurement) == before


def test_a_client_that_does_not_wait_follows_its_job_to_the_analysis(api: httpx.Client) -> None:
    accepted = api.post("/v1/analyses", json={"text": unique_text()}, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    assert accepted.headers["retry-after"] == "1"
    Job.model_validate(accepted.json())
    job = job_at(api, accepted)
    assert job["state"] == "succeeded"
    assert job["progress"] | {"tokens_per_second": 0} == {
        "total": 1, "done": 1, "cached": 0, "failed": 0, "cancelled": 0, "tokens_per_second": 0, "eta_seconds": None,
    }  # fmt: skip
    assert api.get(job["result"]).json()["job_id"] == job["id"]


def test_a_key_sent_again_finds_the_first_answer_by_its_present_state(api: httpx.Client) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    sent = {"text": unique_text()}
    first = api.post("/v1/analyses", json=sent, headers={**key, "Prefer": "respond-async"})
    again = api.post("/v1/analyses", json=sent, headers=key)
    assert (first.status_code, again.status_code) == (202, 201)
    assert again.json()["job_id"] == first.json()["id"]
    third = api.post("/v1/analyses", json=sent, headers=key)
    assert third.content == again.content
    problem = problem_of(
        api.post("/v1/analyses", json={"text": "something else"}, headers=key), 422, "idempotency-key-reused"
    )
    assert problem["errors"][0]["pointer"] == "header:Idempotency-Key"


def test_one_key_sent_by_eight_clients_at_once_makes_one_job(api: httpx.Client, workers: Fleet) -> None:
    key, sent = secrets.token_hex(8), {"text": unique_text()}

    def post(_: int) -> httpx.Response:
        return httpx.post(f"{api.base_url}/v1/analyses", json=sent, headers={"Idempotency-Key": key}, timeout=90)

    before = count(workers.engine, work_item)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            problem_of(answer, 409, "idempotency-key-in-progress")
    assert count(workers.engine, work_item) == before + 1


def test_an_analysis_that_fails_answers_with_its_own_problem(api: httpx.Client) -> None:
    long = {"text": words(1500, 3), "overflow": "reject"}
    problem = problem_of(api.post("/v1/analyses", json=long), 422, "document-too-long")
    assert "512" in problem["detail"]
    job = api.get(problem["job"]).json()
    assert (job["state"], job["reason"], job["progress"]["failed"]) == ("failed", "document-too-long", 1)
    failures = api.get(problem["job"] + "/failures").json()["items"]
    assert [entry["reason"] for entry in failures] == ["document-too-long"]
    windowed = api.post("/v1/analyses", json={"text": words(1500, 3)}).json()
    assert windowed["windows"] >= 3
    assert windowed["truncated"] is False
    cut = api.post("/v1/analyses", json={"text": words(1500, 3), "overflow": "truncate"}).json()
    assert (cut["windows"], cut["truncated"], cut["tokens"]) == (1, True, 512)


def test_sixty_four_clients_at_once_are_all_answered(api: httpx.Client, workers: Fleet) -> None:
    def post(number: int) -> httpx.Response:
        text = f"Client {number} says: {words(10 + number, number)}"
        return httpx.post(f"{api.base_url}/v1/analyses", json={"text": text}, timeout=90)

    before = workers.logs()
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(post, range(64)))
    assert {answer.status_code for answer in answers} <= {201, 202}
    for answer in answers:
        if answer.status_code == 202:
            assert job_at(api, answer)["state"] == "succeeded"
    assert len({answer.json()["id"] for answer in answers}) == 64
    assert max(int(found["documents"]) for found in workers.passes(before)) > 1


def test_pages_of_a_list_hold_every_row_once_in_order(api: httpx.Client, batch: Any) -> None:
    for sort in ("-created_at", "entropy", "-entropy", "cross_turn"):
        ids: list[str] = []
        values: list[float] = []
        query = {"job_id": batch["job"], "limit": 7, "sort": sort}
        while True:
            page = api.get("/v1/analyses", params=query).json()
            ids += [entry["id"] for entry in page["items"]]
            values += [entry["metrics"].get(sort.removeprefix("-")) for entry in page["items"]]
            if page["next"] is None:
                break
            assert len(page["items"]) == 7
            query["cursor"] = page["next"]
        assert len(ids) == len(set(ids)) == 20
        if "entropy" in sort:
            assert values == sorted(values, reverse=sort.startswith("-"))


def test_filters_keep_exactly_what_they_name(api: httpx.Client, batch: Any) -> None:
    def ids(**query: Any) -> list[str]:
        answer = api.get("/v1/analyses", params={"dataset_id": batch["dataset"], "limit": 200, **query})
        assert answer.status_code == 200, answer.text
        return [entry["external_id"] for entry in answer.json()["items"]]

    assert len(ids()) == 20
    assert sorted(ids(domain="talk")) == sorted(f"talk-{number}" for number in range(10))
    assert len(ids(**{"label.half": "first"})) == 10
    assert len(ids(model=MODEL)) == 20
    assert ids(model="other") == []
    assert ids(created_after="2100-01-01T00:00:00Z") == []
    assert len(ids(created_before="2100-01-01T00:00:00Z")) == 20
    everything = api.get("/v1/analyses", params={"dataset_id": batch["dataset"], "sort": "distance", "limit": 200})
    values = [entry["metrics"]["distance"] for entry in everything.json()["items"]]
    assert len(ids(min_distance=values[5], max_distance=values[9])) == 5
    assert ids(min_cross_turn=0) == []


def test_search_finds_what_is_nearest_and_says_that_it_compared_all(api: httpx.Client, batch: Any) -> None:
    answer = api.post("/v1/search", json={"text": f"talk {words(33, 4)}", "k": 5}).json()
    assert answer["exact"] is True
    assert answer["model"] == MODEL
    scores = [hit["score"] for hit in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    best = answer["items"][0]
    assert (best["external_id"], best["domain"], best["turn"]) == ("talk-3", "talk", None)
    assert best["score"] == pytest.approx(1.0, abs=1e-5)
    assert best["snippet"].startswith("talk ")
    narrow = {"domain": "prose", "dataset_id": batch["dataset"], "labels": {"half": "second"}}
    found = api.post("/v1/search", json={"text": "rain", "k": 50, "filter": narrow}).json()["items"]
    assert sorted(hit["external_id"] for hit in found) == [f"prose-{number}" for number in range(5, 10)]
    near = api.post("/v1/search", json={"analysis_id": best["analysis_id"], "k": 200}).json()["items"]
    assert best["analysis_id"] not in {hit["analysis_id"] for hit in near}


def test_search_over_turns_finds_the_turn(api: httpx.Client, workers: Fleet) -> None:
    api.post("/v1/analyses", json={"conversation": TALK})
    found = api.post("/v1/search", json={"text": "Then bring the blue folder.", "scope": "turns", "k": 1}).json()
    assert (found["items"][0]["turn"], found["items"][0]["snippet"]) == (2, "Then bring the blue folder.")
    assert count(workers.engine, inquiry) == 0, "an inquiry leaves nothing behind"


def test_search_by_a_vector_asks_for_the_models_length(api: httpx.Client) -> None:
    problem = problem_of(api.post("/v1/search", json={"vector": [1.0, 0.0]}), 422, "wrong-dimension")
    assert (problem["limit"], problem["actual"]) == (384, 2)
    found = api.post("/v1/search", json={"vector": [1.0] * 384, "k": 3}).json()
    assert len(found["items"]) == 3
    assert all(-1 <= hit["score"] <= 1 for hit in found["items"])
    problem_of(api.post("/v1/search", json={"vector": [0.0] * 384}), 422, "invalid-request")


def test_a_comparison_ends_with_a_result_and_a_report_and_its_rows_stay_out_of_lists(
    api: httpx.Client, batch: Any
) -> None:
    listed = len(api.get("/v1/analyses?limit=200").json()["items"])
    sent = {
        "groups": [
            {"name": "Prose & <b>", "dataset_id": batch["dataset"], "domain": "prose"},
            {"name": "Talk", "dataset_id": batch["dataset"], "domain": "talk", "limit": 8},
        ],
        "window_tokens": 16,
        "maps": ["embedding"],
    }
    accepted = api.post("/v1/comparisons", json=sent)
    early = api.get(accepted.json()["result"] + "/report")
    if early.status_code != 200:
        problem_of(early, 409, "no-result-yet")
    job = job_at(api, accepted)
    assert (job["kind"], job["state"], job["progress"]["total"]) == ("comparison", "succeeded", 18)
    found = api.get(job["result"]).json()
    assert found["state"] == "succeeded"
    assert found["request"]["groups"][1] == {
        "name": "Talk", "dataset_id": batch["dataset"], "domain": "talk", "model": MODEL, "limit": 8,
    }  # fmt: skip
    assert [group["name"] for group in found["groups"]] == ["Prose & <b>", "Talk"]
    assert found["pairs"]
    report = api.get(found["report"])
    assert report.headers["content-type"] == "text/html; charset=utf-8"
    assert report.headers["content-security-policy"].startswith("sandbox")
    assert "Prose & <b>" not in report.text.partition("<script")[0]
    assert len(api.get("/v1/analyses?limit=200").json()["items"]) == listed
    rows = api.get("/v1/analyses", params={"job_id": job["id"], "limit": 200}).json()["items"]
    assert len(rows) == 18
    assert api.get("/v1/comparisons").json()["items"][0]["id"] == found["id"]
    problem_of(api.get(job["result"] + "/figures/none.svg"), 404, "not-found")
    assert api.delete(job["result"]).status_code == 204
    problem_of(api.get(job["result"]), 404, "not-found")
    problem_of(api.get(f"/v1/jobs/{job['id']}"), 404, "not-found")
    assert api.get(f"/v1/datasets/{batch['dataset']}").status_code == 200


def test_the_last_analysis_that_uses_a_measurement_takes_it_along(api: httpx.Client, workers: Fleet) -> None:
    sent = {"text": unique_text()}
    before = {table.name: count(workers.engine, table) for table in (measurement, embedding, document)}
    first, second = (api.post("/v1/analyses", json=sent).json() for _ in range(2))
    assert api.delete(f"/v1/analyses/{first['id']}").status_code == 204
    assert count(workers.engine, measurement) == before["measurement"] + 1
    assert api.get(f"/v1/analyses/{second['id']}").status_code == 200
    assert api.delete(f"/v1/analyses/{second['id']}").status_code == 204
    assert {table.name: count(workers.engine, table) for table in (measurement, embedding, document)} == before
    problem_of(api.delete(f"/v1/analyses/{second['id']}"), 404, "not-found")
    job = api.get(f"/v1/jobs/{second['job_id']}").json()
    assert (job["state"], job["progress"]["total"], job["progress"]["done"]) == ("succeeded", 1, 1)
    assert api.post("/v1/analyses", json=sent).json()["cached"] is False


def test_deleting_a_data_set_leaves_its_jobs_counts_true(api: httpx.Client) -> None:
    lines = json_lines(*({"text": unique_text()} for _ in range(3)))
    dataset = api.post("/v1/datasets", content=lines).json()["id"]
    job = job_at(api, api.post("/v1/batches", json={"dataset_id": dataset}))
    assert len(api.get(job["result"]).json()["items"]) == 3
    assert api.delete(f"/v1/datasets/{dataset}").status_code == 204
    after = api.get(f"/v1/jobs/{job['id']}").json()
    assert (after["progress"]["total"], after["progress"]["done"]) == (3, 3)
    assert api.get(job["result"]).json()["items"] == []
    assert api.delete(f"/v1/jobs/{job['id']}").status_code == 204


def test_events_of_a_job_end_with_its_last_state(api: httpx.Client) -> None:
    lines = json_lines(*({"text": words(60, number) + unique_text()} for number in range(12)))
    dataset = api.post("/v1/datasets", content=lines).json()["id"]
    accepted = api.post("/v1/batches", json={"dataset_id": dataset})
    events: list[tuple[str, Any]] = []
    with api.stream("GET", accepted.headers["location"] + "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    done = [event["progress"]["done"] for _, event in events]
    assert done == sorted(done)
    assert events[-1][0] == "succeeded"
    assert done[-1] == 12


def test_models_say_what_the_worker_found(api: httpx.Client) -> None:
    (model,) = api.get("/v1/models").json()["items"]
    known = {name: model[name] for name in ("id", "default", "state", "layers", "heads", "context", "causal", "dtype")}
    assert known == {
        "id": MODEL, "default": True, "state": "ready", "layers": 6, "heads": 12, "context": 512, "causal": False,
        "dtype": "float32",
    }  # fmt: skip
    assert model["workers"] == 1
    assert model["parameters"] > 22_000_000
    assert math.isfinite(model["hidden_size"])


def test_a_service_with_everything_is_ready_and_forgets_no_wakeup(api: httpx.Client, workers: Fleet) -> None:
    ready = api.get("/readyz")
    assert ready.status_code == 200, ready.text
    checks = {"database": "ok", "broker": "ok", "workers": {MODEL: 1}, "models": {MODEL: "ready"}}
    assert ready.json()["checks"] == checks
    assert count(workers.engine, outbox) == 0
    assert api.post("/v1/search", json={"text": unique_text(), "k": 1}).status_code == 200
    metrics = api.get("/metrics").text
    assert 'hearken_http_requests_total{method="POST",route="/v1/search",status="200"}' in metrics
    assert f'hearken_live_workers{{model="{MODEL}"}} 1.0' in metrics
    assert re.search(r'hearken_vectors_waiting{scope="document",space="embedding"} \d+\.0', metrics)


def test_measuring_and_deleting_the_same_text_at_once_leaves_no_fault_and_no_rest(
    api: httpx.Client, workers: Fleet
) -> None:
    text = unique_text()
    before = {table.name: count(workers.engine, table) for table in (measurement, embedding, document)}

    def post_and_delete(_: int) -> set[int]:
        seen: set[int] = set()
        with httpx.Client(base_url=api.base_url, timeout=90) as client:
            for _ in range(12):
                made = client.post("/v1/analyses", json={"text": text}, headers={"Prefer": "wait=60"})
                seen |= {made.status_code, client.delete(f"/v1/analyses/{made.json()['id']}").status_code}
        return seen

    with ThreadPoolExecutor(6) as pool:
        assert set().union(*pool.map(post_and_delete, range(6))) == {201, 204}
    assert {table.name: count(workers.engine, table) for table in (measurement, embedding, document)} == before
