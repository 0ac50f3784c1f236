"""A large result is never one giant answer: points come page by page, heads metric by metric."""

from typing import Any

import httpx
import pytest
from api_service import problem_of
from kept_services import WITH_KEYS, KeptServices
from seeded_study import stored
from seeded_work import MODEL, add_job
from sqlalchemy import Engine, insert, select, update

from models.queries.access.keys import create_key, ensure_local_tenant
from models.tables import comparison, comparison_file, job

pytestmark = pytest.mark.xdist_group("api with keys")

POINTS = 2_345
REQUEST = {
    "groups": [
        {"name": "a", "dataset_id": "ds_a", "model": MODEL},
        {"name": "b", "dataset_id": "ds_b", "model": MODEL},
    ],
    "model": MODEL,
}


def plant(engine: Engine, points: int, layers: int, *, replaced: Any = None, **more: Any) -> str:
    """A finished comparison with so many points on each of two maps, and 32 heads in so many layers; or with another
    result.
    """
    listed = [
        {"analysis_id": f"an_{number}", "group": "ab"[number % 2], "x": float(number), "y": -float(number)}
        for number in range(points)
    ]
    table = [[0.25] * 32] * layers
    tests = dict.fromkeys(("epsilon_squared", "p", "p_adjusted", "p_familywise"), table)
    real = stored("study.json")
    maps: list[dict[str, Any]] = [
        {**real["maps"][0], "space": "profile", "layer": 3, "points": listed[::-1]},
        {**real["maps"][0], "space": "embedding", "layer": None, "points": listed},
    ]
    heads = {"distance": {**tests, "means": {"a": table, "b": table}}}
    result = {**real, "maps": maps, "heads": heads, "figures": [], **more}
    with engine.begin() as connection:
        job_id = add_job(connection, [], kind="comparison", request=REQUEST)
        connection.execute(update(job).where(job.c.id == job_id).values(state="succeeded"))
        done = update(comparison).where(comparison.c.job_id == job_id).values(state="done", result=replaced or result)
        connection.execute(done)
        return str(connection.execute(select(comparison.c.id).where(comparison.c.job_id == job_id)).scalar_one())


def test_many_points_and_heads_are_left_out_and_the_answer_says_where_they_are(
    api: httpx.Client, engine: Engine
) -> None:
    here = f"/v1/comparisons/{plant(engine, POINTS, layers=64)}"
    found = api.get(here).json()
    assert [drawn["points_total"] for drawn in found["maps"]] == [POINTS, POINTS]
    assert not any("points" in drawn for drawn in found["maps"])
    assert "heads" not in found
    assert found["maps"][1]["points_at"] == f"{here}/points?space=embedding"
    assert found["maps"][0]["points_at"] == f"{here}/points?space=profile&layer=3"
    heads = api.get(found["heads_at"].replace("{metric}", "distance")).json()
    assert heads["metric"] == "distance"
    assert [len(heads["p"]), len(heads["p"][0]), len(heads["means"]["a"])] == [64, 32, 64]
    problem_of(api.get(f"{here}/heads?metric=entropy"), 404, "not-found")
    problem_of(api.get(f"{here}/heads"), 422, "invalid-request")


def test_a_result_is_answered_as_it_is_stored_whatever_version_stored_it(api: httpx.Client, engine: Engine) -> None:
    now = stored("study.json")
    later = ("first_window", "distance_words", "windows", "controls", "paired", "families")
    early = {name: part for name, part in now.items() if name not in later}
    for result in (now, early):
        found = api.get(f"/v1/comparisons/{plant(engine, 0, layers=0, replaced=result)}").json()
        asked = {"id", "job_id", "state", "created_at", "finished_at", "reason", "message", "request", "report"}
        assert {name: part for name, part in found.items() if name not in asked | {"figures"}} == {
            name: part for name, part in result.items() if name != "figures"
        }
        assert found["figures"] == [f"/v1/comparisons/{found['id']}/figures/{name}.svg" for name in result["figures"]]


def test_few_points_and_heads_stand_in_the_comparison(api: httpx.Client, engine: Engine) -> None:
    found = api.get(f"/v1/comparisons/{plant(engine, 2_000, layers=2)}").json()
    assert [len(drawn["points"]) for drawn in found["maps"]] == [2_000, 2_000]
    assert len(found["heads"]["distance"]["p"]) == 2
    without = api.get(f"/v1/comparisons/{plant(engine, 3, layers=2, heads=None)}").json()
    assert without["heads"] is None
    assert "heads_at" not in without


def test_pages_hold_every_point_of_their_map_once_in_its_order(api: httpx.Client, engine: Engine) -> None:
    here = f"/v1/comparisons/{plant(engine, POINTS, layers=1)}/points"
    for query, first in (({"space": "embedding"}, "an_0"), ({"space": "profile", "layer": 3}, f"an_{POINTS - 1}")):
        ids: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = api.get(here, params={**query, **cursor, "limit": 1_000}).json()
            ids += [point["analysis_id"] for point in page["items"]]
            if page["next"] is None:
                break
            assert len(page["items"]) == 1_000
            cursor = {"cursor": page["next"]}
        assert ids[0] == first
        assert len(ids) == len(set(ids)) == POINTS
    assert api.get(here, params={"space": "embedding", "layer": 3}).json() == {"items": [], "next": None}
    first_page = api.get(here, params={"limit": 10}).json()
    other_map = {"space": "profile", "layer": 3, "cursor": first_page["next"]}
    problem_of(api.get(here, params=other_map), 400, "bad-cursor")


def test_parts_of_an_unfinished_comparison_are_not_there_yet(api: httpx.Client, engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, [], kind="comparison", request=REQUEST)
        waiting = connection.execute(select(comparison.c.id).where(comparison.c.job_id == job_id)).scalar_one()
    assert "maps" not in api.get(f"/v1/comparisons/{waiting}").json()
    for part in ("points", "heads?metric=distance", "figures", "numbers.csv"):
        problem_of(api.get(f"/v1/comparisons/{waiting}/{part}"), 409, "no-result-yet")
    for part in ("points", "heads?metric=distance"):
        problem_of(api.get(f"/v1/comparisons/cmp_none/{part}"), 404, "not-found")


def test_no_part_of_another_tenants_comparison_exists(kept_services: KeptServices) -> None:
    service = kept_services.emptied(WITH_KEYS)
    with service.engine.begin() as connection:
        ensure_local_tenant(connection)
    planted = plant(service.engine, 20, layers=1)
    with service.engine.begin() as connection:
        connection.execute(
            insert(comparison_file).values(
                comparison_id=planted, name="report.md", media_type="text/markdown", body=b"# a, b"
            )
        )
        stranger = {"Authorization": f"Bearer {create_key(connection, 'stranger').secret}"}
    here = f"/v1/comparisons/{planted}"
    parts = ("report", "report.md", "numbers.csv", "figures", "figures/map-embedding.svg", "points")
    for part in (*parts, "heads?metric=distance"):
        problem_of(service.api.get(f"{here}/{part}", headers=stranger), 404, "not-found")
    placed = service.api.post(f"{here}/place", json={"text": "The boats are late."}, headers=stranger)
    problem_of(placed, 404, "not-found")
