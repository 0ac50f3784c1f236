"""Search by attention profile over HTTP, its scores computed again from the heads that the API gives."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import httpx
import numpy as np
import pytest
from api_service import api_process, job_at, json_lines, problem_of
from kept_services import KeptService, ServicePlan
from polling import until
from seeded_work import MODEL, count, unique_text, words
from several_models import WIDE, several_models
from sqlalchemy import delete, select, update
from worker_fleet import Fleet

from attention.definitions import DEFINITIONS, PROFILE
from models.queries.access.keys import create_key
from models.tables import analysis, inquiry, measurement, profile, profile_scale

pytestmark = pytest.mark.xdist_group("several models")
SERVICE = ServicePlan(workers=1, models=several_models)

TALK = {
    "turns": [
        {"speaker": "Ana", "text": "Are you coming to the lake?"},
        {"speaker": "Bo", "text": "Yes, at six, if the bus runs."},
        {"speaker": "Ana", "text": "Then bring the blue folder."},
    ]
}
DOCUMENTS = [{"text": words(12 + 9 * number, number)} for number in range(9)] + [TALK]

Scale = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def measured(api: httpx.Client, domain: str, model: str = MODEL) -> list[str]:
    """Analyses of DOCUMENTS, in their order, under this domain."""
    lines = [{"id": str(number), "domain": domain, **each} for number, each in enumerate(DOCUMENTS)]
    dataset = api.post(f"/v1/datasets?name={domain}", content=json_lines(*lines)).json()["id"]
    job = job_at(api, api.post("/v1/batches", json={"dataset_id": dataset, "model": model}))
    assert job["progress"]["failed"] == 0
    found = api.get("/v1/analyses", params={"job_id": job["id"], "limit": 200}).json()["items"]
    return [each["id"] for each in sorted(found, key=lambda each: int(each["external_id"]))]


def profile_of(api: httpx.Client, analysis_id: str) -> list[float | None]:
    """All heads' distance, then dispersion, interdependency and sink, as the API gives them."""
    heads = api.get(f"/v1/analyses/{analysis_id}?include=heads").json()["heads"]
    names = ("distance", "dispersion", "interdependency", "sink")
    return [value for name in names for layer in heads[name] for value in layer]


def scale_of(api: httpx.Client, model: str) -> Scale:
    """Mean and deviation of the reference texts' profiles, measured through the API like anybody's documents."""
    texts = files("attention.measure").joinpath("reference.jsonl").read_bytes()
    dataset = api.post("/v1/datasets?name=reference&domain=reference", content=texts).json()["id"]
    job = job_at(api, api.post("/v1/batches", json={"dataset_id": dataset, "model": model}))
    found = api.get("/v1/analyses", params={"job_id": job["id"], "limit": 200}).json()["items"]
    assert len(found) == 24
    values = np.array([profile_of(api, each["id"]) for each in found], np.float64)
    deviation = np.nanstd(values, axis=0)
    deviation[deviation < 1e-5 * np.abs(np.nanmean(values, axis=0))] = np.inf
    return np.nanmean(values, axis=0), deviation


@pytest.fixture(scope="module")
def scales(api: httpx.Client) -> Mapping[str, Scale]:
    return {model: scale_of(api, model) for model in (MODEL, WIDE)}


def cosines(api: httpx.Client, scale: Scale, ids: list[str], to: str) -> dict[str, float]:
    """How near each analysis is to one of them, by their heads."""
    means, deviations = scale
    points = np.nan_to_num((np.array([profile_of(api, each) for each in ids], np.float64) - means) / deviations)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    return dict(zip(ids, (unit @ unit[ids.index(to)]).tolist(), strict=True))


def searched(api: httpx.Client, domain: str, **start: Any) -> Any:
    answer = api.post("/v1/search", json={"space": "profile", "k": 200, "filter": {"domain": domain}, **start})
    assert answer.status_code == 200, answer.text
    return answer.json()


def scores(found: Any) -> dict[str, float]:
    return {hit["analysis_id"]: hit["score"] for hit in found["items"]}


def test_scores_are_the_cosines_of_profiles_standardised_by_the_reference_texts(
    api: httpx.Client, scales: Mapping[str, Scale]
) -> None:
    ids = measured(api, "cosines")
    for place in (0, 4, 9):
        found = searched(api, "cosines", analysis_id=ids[place])
        expected = cosines(api, scales[MODEL], ids, ids[place])
        assert expected.pop(ids[place]) == pytest.approx(1.0)
        assert scores(found) == pytest.approx(expected, abs=1e-3)
        assert max(expected.values()) - min(expected.values()) > 0.4, "profiles differ"
        listed = [hit["score"] for hit in found["items"]]
        assert listed == sorted(listed, reverse=True)
        assert (found["exact"], found["model"]) == (True, MODEL)
        assert found["profile"] == {"definition": PROFILE, "numbers": 288, "dimension": 288, "missing": 0}


def test_a_text_or_conversation_is_read_by_a_worker_and_found_where_it_was_measured(
    api: httpx.Client, workers: Fleet
) -> None:
    ids = measured(api, "read")
    for place, start in ((3, DOCUMENTS[3]), (9, {"conversation": TALK})):
        before = count(workers.engine, measurement)
        found = searched(api, "read", **start)
        assert found["items"][0]["analysis_id"] == ids[place]
        assert found["items"][0]["score"] == pytest.approx(1.0, abs=1e-4)
        assert found["items"][0]["turn"] is None
        stored = searched(api, "read", analysis_id=ids[place])
        assert scores(found) == pytest.approx({**scores(stored), ids[place]: 1.0}, abs=1e-3)
        assert (count(workers.engine, inquiry), count(workers.engine, measurement)) == (0, before)
    other = api.post("/v1/search", json={"text": DOCUMENTS[3]["text"]}).json()
    assert other["profile"] is None


def test_a_profile_is_searched_as_it_was_measured(api: httpx.Client) -> None:
    ids = measured(api, "vector")
    vector = profile_of(api, ids[2])
    assert len(vector) == 288
    stored = {**scores(searched(api, "vector", analysis_id=ids[2])), ids[2]: 1.0}
    assert scores(searched(api, "vector", vector=vector)) == pytest.approx(stored, abs=1e-4)
    undefined = [None if place % 7 == 0 else value for place, value in enumerate(vector)]
    assert scores(searched(api, "vector", vector=undefined))[ids[2]] == pytest.approx(0.93, abs=0.06)


def test_a_vector_of_another_length_or_without_a_direction_is_refused(api: httpx.Client) -> None:
    def refused(**sent: Any) -> Any:
        return api.post("/v1/search", json={"space": "profile", **sent})

    measured(api, "refused")
    problem = problem_of(refused(vector=[1.0] * 384), 422, "wrong-dimension")
    assert (problem["limit"], problem["actual"]) == (288, 384)
    for vector in ([None] * 288, [1e308] * 288):
        problem = problem_of(refused(vector=vector), 422, "invalid-request")
        assert problem["errors"][0]["pointer"] == "/vector"
    problem = problem_of(refused(vector=[None] * 384, space="embedding"), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == "/vector"


def test_turns_have_no_profile_to_be_searched_by(api: httpx.Client) -> None:
    for start in ({"text": "rain"}, {"analysis_id": "an_none"}):
        problem = problem_of(
            api.post("/v1/search", json={**start, "space": "profile", "scope": "turns"}), 422, "invalid-request"
        )
        assert problem["errors"][0]["pointer"] == "/scope"
        assert "Profiles are of documents" in problem["detail"]
    problem_of(api.post("/v1/search", json={"analysis_id": "an_none", "space": "profile"}), 422, "analysis-unknown")


def test_long_profiles_are_projected_and_the_answer_says_so(api: httpx.Client, scales: Mapping[str, Scale]) -> None:
    ids = measured(api, "wide", WIDE)
    found = searched(api, "wide", analysis_id=ids[1])
    assert found["profile"] == {"definition": PROFILE, "numbers": 2304, "dimension": 2000, "missing": 0}
    expected = cosines(api, scales[WIDE], ids, ids[1])
    error = [score - expected[each] for each, score in scores(found).items()]
    assert len(error) == 9
    assert np.sqrt(np.square(error).mean()) < 0.03
    again = searched(api, "wide", text=DOCUMENTS[1]["text"], model=WIDE)
    assert scores(again) == pytest.approx({**scores(found), ids[1]: 1.0}, abs=1e-3)
    sent = searched(api, "wide", vector=profile_of(api, ids[1]), model=WIDE)
    assert scores(sent) == pytest.approx(scores(again), abs=1e-3)


def test_rows_of_a_comparison_are_found_only_under_its_job(api: httpx.Client) -> None:
    lines = [{"domain": name, "text": f"{name} {words(40, n)}"} for name in ("one", "two") for n in range(8)]
    dataset = api.post("/v1/datasets?name=compared", content=json_lines(*lines)).json()["id"]
    groups = [{"name": name, "dataset_id": dataset, "domain": name} for name in ("one", "two")]
    job = job_at(api, api.post("/v1/comparisons", json={"groups": groups, "window_tokens": 16, "maps": []}))
    assert job["state"] == "succeeded"
    assert searched(api, "one", text="rain")["items"] == []
    assert len(searched(api, "one", text="rain", job_id=job["id"])["items"]) == 8


def test_deleting_an_analysis_deletes_its_profile(api: httpx.Client, workers: Fleet) -> None:
    before = count(workers.engine, profile)
    made = api.post("/v1/analyses", json={"text": unique_text(), "domain": "deleted"}).json()
    assert count(workers.engine, profile) == before + 1
    assert [*scores(searched(api, "deleted", text="rain"))] == [made["id"]]
    assert api.delete(f"/v1/analyses/{made['id']}").status_code == 204
    assert count(workers.engine, profile) == before
    assert searched(api, "deleted", text="rain")["items"] == []


def test_older_measurements_are_counted_until_the_sweeper_has_made_their_profiles(
    api: httpx.Client, workers: Fleet
) -> None:
    texts = [unique_text() for _ in range(4)]
    ids = [api.post("/v1/analyses", json={"text": each, "domain": "older"}).json()["id"] for each in texts]
    before = scores(searched(api, "older", text="rain"))
    assert before.keys() == set(ids)
    mine = select(analysis.c.measurement_id).where(analysis.c.id.in_(ids[:3]))
    with workers.engine.begin() as connection:
        connection.execute(delete(profile).where(profile.c.measurement_id.in_(mine)))
        older = update(measurement).where(measurement.c.id.in_(mine))
        connection.execute(older.values(profiled=False, definitions="older"))  # which the sweeper leaves alone
    found = searched(api, "older", text="rain")
    assert scores(found) == pytest.approx({ids[3]: before[ids[3]]}, abs=1e-6)
    assert found["profile"]["missing"] == 3
    assert searched(api, "older", analysis_id=ids[0])["items"] == [], "numbers of two definitions are never mixed"
    with workers.engine.begin() as connection:
        connection.execute(older.values(definitions=DEFINITIONS))
    near = searched(api, "older", analysis_id=ids[0])
    assert ids[3] in scores(near), "where a search starts needs no stored profile"
    until(lambda: searched(api, "older", text="rain")["profile"]["missing"] == 0, "the sweeper's profiles")
    assert scores(searched(api, "older", analysis_id=ids[0])).keys() == set(ids[1:])
    assert scores(searched(api, "older", text="rain")) == pytest.approx(before, abs=1e-6)


def test_tenants_find_their_own_and_a_scale_tells_nothing_of_anybody(service: KeptService, workers: Fleet) -> None:
    with service.engine.begin() as connection:
        keys = {name: create_key(connection, name) for name in ("north", "south")}
    addresses = service.database_url, workers.redis_server.url
    log = service.folder / "api-keys.log"
    with api_process(*addresses, log, models=str(service.models_file), auth="keys") as client:
        found = {}
        scaled = count(workers.engine, profile_scale)
        for name, key in keys.items():
            client.headers["Authorization"] = f"Bearer {key.secret}"
            assert searched(client, "shared", text="rain")["items"] == []
            ids = measured(client, "shared")
            near = searched(client, "shared", analysis_id=ids[0])
            assert scores(near).keys() == set(ids[1:])
            found[name] = [scores(near)[each] for each in ids[1:]]
            other = client.post("/v1/search", json={"space": "profile", "analysis_id": ids[0]})
            assert scores(other.json()).keys() == set(ids[1:])
        problem_of(client.post("/v1/search", json={"space": "profile", "analysis_id": "an_x"}), 422, "analysis-unknown")
        client.headers["Authorization"] = f"Bearer {keys['north'].secret}"
        theirs = client.post("/v1/search", json={"space": "profile", "analysis_id": ids[0]})
        problem_of(theirs, 422, "analysis-unknown")
    assert found["north"] == pytest.approx(found["south"], abs=1e-6)
    assert count(workers.engine, profile_scale) == max(1, scaled)
