"""The first windows of a comparison over HTTP: exactly the documents cut to their beginning, beside the result."""

import csv
import io
from statistics import fmean
from typing import Any

import httpx
import pytest
from api_service import job_at, json_lines
from kept_services import ServicePlan
from seeded_work import words
from several_models import SHORT, SHORT_TOKENS, several_models
from sqlalchemy import func, select
from worker_fleet import Fleet

from attention.definitions import METRIC_NAMES
from models.tables import analysis, measurement_first_window, work_item

pytestmark = pytest.mark.xdist_group("several models")
SERVICE = ServicePlan(workers=1, models=several_models)

DOCUMENTS = 9
LAYERS = 6


def conversation(kind: str, number: int) -> list[dict[str, str]]:
    """Turns of prose that begin with turns of sums, or the other way round."""
    prose = [words(8, 3 * number + turn) for turn in range(24)]
    sums = [" ".join(f"{number + turn + k} + {k * turn}" for k in range(4)) for turn in range(24)]
    told = [*sums[:5], *prose[5:]] if kind == "sums first" else [*prose[:5], *sums[5:]]
    return [{"speaker": ("Ana", "Bo", "Cy")[turn % 3], "text": text} for turn, text in enumerate(told)]


GROUPS = ("prose first", "sums first")


@pytest.fixture(scope="module")
def dataset(api: httpx.Client) -> str:
    lines = [{"domain": kind, "turns": conversation(kind, number)} for kind in GROUPS for number in range(DOCUMENTS)]
    return str(api.post("/v1/datasets?name=both", content=json_lines(*lines)).json()["id"])


def compared(api: httpx.Client, dataset: str, **more: Any) -> Any:
    groups = [{"name": kind, "dataset_id": dataset, "domain": kind} for kind in GROUPS]
    sent = {"groups": groups, "model": SHORT, "window_tokens": SHORT_TOKENS, "maps": [], "by_head": False, **more}
    job = job_at(api, api.post("/v1/comparisons", json=sent))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


@pytest.fixture(scope="module")
def found(api: httpx.Client, dataset: str) -> Any:
    return compared(api, dataset)


def test_its_means_are_those_of_the_documents_cut_to_their_first_window(api: httpx.Client, found: Any) -> None:
    for kind in GROUPS:
        cut = []
        for number in range(DOCUMENTS):
            sent = {"conversation": {"turns": conversation(kind, number)}, "overflow": "truncate", "model": SHORT}
            answer = api.post("/v1/analyses", json=sent)
            assert answer.status_code == 201, answer.text
            assert (answer.json()["tokens"], answer.json()["truncated"]) == (SHORT_TOKENS, True)
            cut.append(answer.json())
        assert set(found["first_window"]["overall"]) == set(found["overall"]) == set(METRIC_NAMES)
        for metric in METRIC_NAMES:
            levels = [(found["first_window"]["overall"], [one["metrics"] for one in cut])]
            levels += [
                (found["first_window"]["layers"][layer], [one["layers"][layer] for one in cut])
                for layer in range(LAYERS)
            ]
            for shown, alone in levels:
                values = [one[metric] for one in alone if one[metric] is not None]
                assert shown[metric][kind]["documents"] == len(values)
                expected = pytest.approx(fmean(values), rel=1e-5, abs=1e-8) if len(values) >= 8 else None
                assert shown[metric][kind]["mean"] == expected, metric


def test_without_it_the_result_is_what_it_was_and_so_it_is_with_it(api: httpx.Client, dataset: str, found: Any) -> None:
    plain = compared(api, dataset, first_window=False)
    assert "first_window" not in plain
    assert plain["request"]["first_window"] is False
    assert "first-window-differs" not in {warned["code"] for warned in plain["warnings"]}
    assert [one for one in found["warnings"] if one["code"] != "first-window-differs"] == plain["warnings"]
    for name in ("groups", "metrics", "families", "settings", "windows"):
        assert found[name] == plain[name]
    for metric in METRIC_NAMES:
        for kind in GROUPS:
            one, other = (result["overall"][metric][kind]["mean"] for result in (found, plain))
            assert one == pytest.approx(other, rel=1e-5, abs=1e-8)
    for one, other in zip(found["pairs"], plain["pairs"], strict=True):
        assert (one["metric"], one["layer"]) == (other["metric"], other["layer"])
        assert one["delta"] == pytest.approx(other["delta"], abs=0.05)
    jobs = [api.get(f"/v1/jobs/{one['job_id']}").json()["progress"] for one in (found, plain)]
    assert [(job["total"], job["done"], job["cached"]) for job in jobs] == [(2 * DOCUMENTS, 2 * DOCUMENTS, 0)] * 2


def test_an_effect_that_turns_is_told_with_both_numbers(found: Any) -> None:
    first = found["first_window"]
    turned = [one for one in first["effects"] if one["differs"] == "turned"]
    assert turned, "the beginnings are of the other kind than what follows"
    (caution,) = [one["message"] for one in found["warnings"] if one["code"] == "first-window-differs"]
    assert "opposite sign in the first window" in caution
    pairs = {p["metric"]: p for p in found["pairs"] if p["level"] == "overall"}
    first_pairs = {p["metric"]: p for p in first["pairs"] if p["level"] == "overall"}
    for one in first["effects"]:
        pair, other = pairs[one["metric"]], first_pairs[one["metric"]]
        assert (one["delta"], one["p_adjusted"]) == (pair["delta"], pair["p_adjusted"])
        assert (one["first_delta"], one["first_p_adjusted"]) == (other["delta"], other["p_adjusted"])
        assert one["paired"] is False
    for one in turned:
        assert one["p_adjusted"] < 0.05
        assert one["delta"] * one["first_delta"] < 0
    largest = max(turned, key=lambda one: abs(one["delta"] - one["first_delta"]))
    deltas = f"({largest['delta']:.2g}; {largest['first_delta']:.2g})".replace("-", "−")
    assert f"{largest['metric']} of {largest['a']} and {largest['b']} {deltas}" in caution
    assert len(first["pairs"]) == len(found["pairs"])
    assert "paired" not in first


def test_page_text_and_table_show_it(api: httpx.Client, found: Any) -> None:
    here = f"/v1/comparisons/{found['id']}"
    assert "First window beside the whole document" in api.get(f"{here}/report").text
    assert "sign turned" in api.get(f"{here}/report.md").text
    rows = list(csv.DictReader(io.StringIO(api.get(f"{here}/numbers.csv").text)))
    (mean,) = [
        row["value"]
        for row in rows
        if (row["table"], row["level"], row["metric"], row["group"], row["quantity"])
        == ("first window", "overall", "entropy", GROUPS[0], "mean")
    ]
    assert float(mean) == found["first_window"]["overall"]["entropy"][GROUPS[0]]["mean"]


def test_controls_measure_no_first_window(api: httpx.Client, workers: Fleet, dataset: str, found: Any) -> None:
    made = compared(api, dataset, controls=["shuffled_tokens"], metrics=["distance"])
    stored = (
        select(work_item.c.group_position, func.count(measurement_first_window.c.layer).label("rows"))
        .join_from(work_item, analysis, analysis.c.work_item_id == work_item.c.id)
        .outerjoin(measurement_first_window, measurement_first_window.c.measurement_id == analysis.c.measurement_id)
        .where(work_item.c.job_id == made["job_id"])
        .group_by(work_item.c.group_position)
    )
    with workers.engine.connect() as connection:
        counted = {row.group_position: row.rows for row in connection.execute(stored)}
    assert counted == {0: DOCUMENTS * LAYERS, 1: DOCUMENTS * LAYERS, 2: 0, 3: 0}
    assert "refused" not in made["controls"]["shuffled_tokens"]
    assert made["first_window"]["overall"]["distance"] == found["first_window"]["overall"]["distance"]


def test_a_document_is_placed_without_a_first_window(api: httpx.Client, dataset: str) -> None:
    made = compared(api, dataset, metrics=["distance"], maps=["embedding"])
    turns = conversation(GROUPS[0], 0)
    placed = api.post(f"/v1/comparisons/{made['id']}/place", json={"conversation": {"turns": turns}})
    assert placed.status_code == 200, placed.text
    assert placed.json()["embedding"]["neighbours"][0]["similarity"] == pytest.approx(1, abs=1e-5)
