"""Controls: the groups measured again with one thing taken away, and nothing mixed up with what was measured before."""

from typing import Any

import httpx
import pytest
from api_service import job_at, json_lines, problem_of
from kept_services import ServicePlan
from seeded_work import MODEL, words
from sqlalchemy import func, select
from worker_fleet import Fleet

from models.tables import analysis, measurement, model, model_version, work_item

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

DOCUMENTS = 9
CONTROLS = ["untrained", "shuffled_tokens", "shuffled_turns", "permuted_speakers"]


def line(domain: str, number: int) -> dict[str, Any]:
    if domain == "prose":
        return {"id": f"p{number}", "domain": domain, "text": words(60, number)}
    turns = [
        {"speaker": ("Ana", "Bo", "Cy")[(turn + number) % 3], "text": f"{words(5, turn + number)} {turn}"}
        for turn in range(9)
    ]
    return {"id": f"{domain}{number}", "domain": domain, "turns": turns}


@pytest.fixture(scope="module")
def dataset(api: httpx.Client) -> str:
    lines = [line(domain, number + shift) for shift, domain in ((0, "talk"), (40, "chat"), (80, "prose"))
             for number in range(DOCUMENTS)]  # fmt: skip
    return str(api.post("/v1/datasets?name=three", content=json_lines(*lines)).json()["id"])


def compared(api: httpx.Client, dataset: str, *domains: str, controls: list[str]) -> Any:
    groups = [{"name": domain, "dataset_id": dataset, "domain": domain} for domain in domains]
    sent = {
        "groups": groups, "window_tokens": 32, "windows": 1, "maps": [], "by_head": False, "controls": controls,
        "metrics": ["distance", "entropy", "cross_turn"],
    }  # fmt: skip
    job = job_at(api, api.post("/v1/comparisons", json=sent))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


@pytest.fixture(scope="module")
def found(api: httpx.Client, dataset: str) -> Any:
    return compared(api, dataset, "talk", "chat", controls=CONTROLS)


def test_each_control_has_the_groups_again_beside_every_effect(api: httpx.Client, found: Any) -> None:
    assert set(found["controls"]) == set(CONTROLS)
    effects = {(p["metric"], p["layer"], p["a"], p["b"]) for p in found["pairs"]}
    spaces = {(one["space"], one["layer"]) for one in found["separability"]}
    for name, control in found["controls"].items():
        assert [group["documents"] for group in control["groups"]] == [DOCUMENTS, DOCUMENTS], name
        assert {(p["metric"], p["layer"], p["a"], p["b"]) for p in control["pairs"]} == effects
        assert [row["layer"] for row in control["layers"]] == [row["layer"] for row in found["layers"]]
        assert control["overall"]["distance"]["talk"]["mean"] != found["overall"]["distance"]["talk"]["mean"], name
        assert {(one["space"], one["layer"]) for one in control["separability"]} == spaces
        assert {space for space, _ in spaces} == {"embedding", "profile"}
        assert all(0 <= one["accuracy"] <= 1 for one in control["separability"])
    means = {found["controls"][name]["overall"]["entropy"]["talk"]["mean"] for name in CONTROLS}
    assert len(means) == len(CONTROLS)
    job = api.get(f"/v1/jobs/{found['job_id']}").json()
    assert job["progress"]["total"] == job["progress"]["done"] == 2 * DOCUMENTS * (1 + len(CONTROLS))


def test_the_untrained_model_is_a_version_of_its_own_that_clients_never_see(
    api: httpx.Client, workers: Fleet, found: Any
) -> None:
    assert [entry["id"] for entry in api.get("/v1/models").json()["items"]] == [MODEL]
    with workers.engine.connect() as connection:
        assert connection.execute(select(model.c.id)).scalars().all() == [MODEL]
        counts = dict(
            connection.execute(
                select(model_version.c.revision, func.count())
                .join_from(analysis, measurement)
                .join(model_version, measurement.c.version_key == model_version.c.key)
                .join(work_item, analysis.c.work_item_id == work_item.c.id)
                .where(analysis.c.job_id == found["job_id"])
                .group_by(model_version.c.revision)
            ).all()
        )
    (untrained,) = [revision for revision in counts if "untrained" in revision]
    assert counts[untrained] == 2 * DOCUMENTS
    assert sum(counts.values()) == 2 * DOCUMENTS * 5


def test_asking_again_gives_the_same_numbers_from_what_is_stored(
    api: httpx.Client, workers: Fleet, dataset: str, found: Any
) -> None:
    with workers.engine.connect() as connection:
        before = connection.execute(select(func.count()).select_from(measurement)).scalar_one()
    again = compared(api, dataset, "talk", "chat", controls=CONTROLS)
    with workers.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(measurement)).scalar_one() == before
    assert again["overall"] == found["overall"]
    assert again["controls"] == found["controls"]


def test_the_report_and_the_table_show_effects_with_controls(api: httpx.Client, found: Any) -> None:
    here = f"/v1/comparisons/{found['id']}"
    page = api.get(f"{here}/report").text
    assert "With controls" in page
    assert "speakers permuted" in page
    assert "## With controls" in api.get(f"{here}/report.md").text
    table = api.get(f"{here}/numbers.csv").text
    assert "control: untrained,overall,distance" in table
    assert "control: untrained,layer,distance,,0," in table


def test_texts_are_left_out_of_controls_of_turns_and_that_is_said(api: httpx.Client, dataset: str) -> None:
    found = compared(api, dataset, "talk", "prose", controls=["shuffled_turns", "shuffled_tokens"])
    assert "'prose' has 0 usable documents" in found["controls"]["shuffled_turns"]["refused"]
    assert found["controls"]["shuffled_tokens"]["groups"][0]["documents"] == DOCUMENTS
    job = api.get(f"/v1/jobs/{found['job_id']}").json()
    assert job["progress"]["total"] == DOCUMENTS * (2 + 1 + 2)
    assert "not made, because" in api.get(found["report"]).text


def test_a_control_that_does_not_exist_is_refused(api: httpx.Client, dataset: str) -> None:
    groups = [{"name": name, "dataset_id": dataset, "domain": name} for name in ("talk", "chat")]
    for controls in (["asleep"], ["untrained", "untrained"]):
        problem_of(api.post("/v1/comparisons", json={"groups": groups, "controls": controls}), 422, "invalid-request")
