"""A new document on a stored map: among those that are like it, and without leaving a trace."""

import math
from typing import Any

import httpx
import pytest
from api_service import job_at, json_lines, problem_of
from kept_services import ServicePlan
from seeded_work import count, words
from worker_fleet import Fleet

from models.tables import analysis, inquiry

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

DOCUMENTS = 15


def code(number: int) -> str:
    return "\n".join(f"def area_{n}(width, height):\n    return width * height + {number}" for n in range(6))


def apart(one: Any, other: Any) -> float:
    return math.dist((one["x"], one["y"]), (other["x"], other["y"]))


@pytest.fixture(scope="module")
def found(api: httpx.Client) -> Any:
    """A finished comparison of prose and code."""
    lines = [{"domain": "prose", "text": words(60, number)} for number in range(DOCUMENTS)]
    lines += [{"domain": "code", "text": code(number)} for number in range(DOCUMENTS)]
    dataset = api.post("/v1/datasets?name=two", content=json_lines(*lines)).json()["id"]
    groups = [{"name": domain, "dataset_id": dataset, "domain": domain} for domain in ("prose", "code")]
    sent = {
        "groups": groups, "window_tokens": 32, "windows": 1, "maps": ["embedding"], "metrics": ["distance"],
        "controls": ["shuffled_tokens"],
    }  # fmt: skip
    job = job_at(api, api.post("/v1/comparisons", json=sent))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


@pytest.mark.parametrize(("text", "group"), [(words(50, 77), "prose"), (code(99), "code")])
def test_a_new_text_stands_among_its_own_kind(api: httpx.Client, found: Any, text: str, group: str) -> None:
    placed = api.post(f"/v1/comparisons/{found['id']}/place", json={"text": text})
    assert placed.status_code == 200, placed.text
    answer = placed.json()["embedding"]
    assert answer["group"] == group
    assert answer["method"].startswith("t-SNE")
    assert (answer["perplexity"], answer["exaggeration"], answer["iterations"]) == (5, 4, 250)
    similarities = [near["similarity"] for near in answer["neighbours"]]
    assert len(similarities) == 10
    assert similarities == sorted(similarities, reverse=True)
    points = {point["analysis_id"]: point for point in found["maps"][0]["points"]}
    for near in answer["neighbours"]:
        assert (near["x"], near["y"]) == (points[near["analysis_id"]]["x"], points[near["analysis_id"]]["y"])
    distance, nearest = min((apart(answer, point), point["group"]) for point in points.values())
    assert nearest == group
    assert distance < 1  # neighbours on this map are about 10 apart


def test_a_document_of_the_map_is_its_own_nearest_neighbour_and_stands_there(api: httpx.Client, found: Any) -> None:
    point = found["maps"][0]["points"][3]
    sent = {"analysis_id": point["analysis_id"]}
    answer = api.post(f"/v1/comparisons/{found['id']}/place", json=sent).json()["embedding"]
    nearest = answer["neighbours"][0]
    assert nearest["analysis_id"] == point["analysis_id"]
    assert nearest["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert apart(answer, point) < 1


def test_the_same_request_has_the_same_answer_byte_for_byte(api: httpx.Client, found: Any) -> None:
    place = f"/v1/comparisons/{found['id']}/place"
    first, again = (api.post(place, json={"text": words(50, 41)}) for _ in range(2))
    assert first.status_code == 200, first.text
    assert first.content == again.content


def test_nothing_of_the_document_is_kept(api: httpx.Client, workers: Fleet, found: Any) -> None:
    before = count(workers.engine, analysis)
    assert api.post(f"/v1/comparisons/{found['id']}/place", json={"text": words(40, 5)}).status_code == 200
    assert (count(workers.engine, analysis), count(workers.engine, inquiry)) == (before, 0)


def test_what_cannot_be_placed_is_refused_by_name(api: httpx.Client, found: Any) -> None:
    here = f"/v1/comparisons/{found['id']}/place"
    problem_of(api.post(here, json={"text": "too short"}), 422, "too-short")
    problem_of(api.post(here, json={}), 422, "invalid-request")
    problem_of(api.post(here, json={"analysis_id": "an_none"}), 422, "analysis-unknown")
    problem_of(api.post("/v1/comparisons/cmp_none/place", json={"text": "rain"}), 404, "not-found")
