"""Models against models: the same documents under two of them, document by document and over the same characters."""

from dataclasses import fields, replace
from typing import Any

import httpx
import numpy as np
import pytest
from api_service import job_at, json_lines
from kept_services import ServicePlan
from seeded_study import LayerVectors
from seeded_work import MODEL, words
from several_models import several_models
from sqlalchemy import select
from threadpoolctl import threadpool_limits
from worker_fleet import Fleet

from attention.comparison.conduct import conduct_study
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.json_form import as_json
from attention.comparison.parts.documents import Windows
from attention.comparison.study import Study
from attention.text.spans import first_span
from models.schemas.comparisons import ComparisonRequest
from models.tables import analysis, measurement, work_item
from report.figures.printed import figure_names
from workers.comparing.stored_groups import stored_groups

pytestmark = pytest.mark.xdist_group("several models")
SERVICE = ServicePlan(workers=1, models=several_models)

DOCUMENTS = 10


@pytest.fixture(scope="module")
def dataset(api: httpx.Client) -> str:
    lines = [{"id": f"d{number}", "text": words(60, number)} for number in range(DOCUMENTS)]
    return str(api.post("/v1/datasets?name=both", content=json_lines(*lines)).json()["id"])


def compared(api: httpx.Client, dataset: str, *models: str, **more: Any) -> Any:
    groups = [{"name": model.split("-")[0], "dataset_id": dataset, "model": model} for model in models]
    sent = {"groups": groups, "window_tokens": 40, "windows": 1, "metrics": ["distance", "entropy"], **more}
    job = job_at(api, api.post("/v1/comparisons", json=sent))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


def test_two_architectures_are_paired_by_document_and_their_heads_left_alone(
    api: httpx.Client, workers: Fleet, dataset: str
) -> None:
    found = compared(api, dataset, MODEL, "before")
    assert found["request"]["window_characters"] == 120
    assert found["windows"] == {"characters": 120, "count": 1, "seed": 0}
    (overall,) = [p for p in found["paired"] if p["level"] == "overall" and p["metric"] == "distance"]
    assert (overall["a"], overall["b"], overall["test"]) == ("all", "before", "wilcoxon")
    assert 0 < overall["p"] <= 1
    assert found["heads"] is None
    assert found["layers_matched"] == {"all": [0, 2, 5]}
    assert {"same-documents", "layers-matched", "heads-not-compared"} <= {w["code"] for w in found["warnings"]}

    in_words = found["distance_words"]
    rates = in_words["tokens_per_word"]
    assert 1 <= rates["all"] < rates["before"], "a vocabulary of 700 pieces cuts words into more tokens"
    with workers.engine.connect() as connection:
        rows = connection.execute(
            select(measurement.c.distance, measurement.c.tokens, work_item.c.group_position, work_item.c.document_id)
            .join_from(analysis, measurement)
            .join(work_item, analysis.c.work_item_id == work_item.c.id)
            .where(analysis.c.job_id == found["job_id"])
        ).all()
    assert len(rows) == 2 * DOCUMENTS
    tokens_mean = sum(row.distance for row in rows if row.group_position == 1) / DOCUMENTS
    assert found["overall"]["distance"]["before"]["mean"] == pytest.approx(tokens_mean, rel=1e-9)
    assert in_words["overall"]["before"]["mean"] == pytest.approx(tokens_mean / rates["before"], rel=0.05)
    assert in_words["overall"]["before"]["mean"] < tokens_mean
    assert {pair["metric"] for pair in in_words["paired"]} == {"distance_words"}


def test_first_windows_are_the_same_characters_too_and_are_paired(api: httpx.Client, dataset: str) -> None:
    found = compared(api, dataset, MODEL, "before")
    first = found["first_window"]
    assert [(pair["metric"], pair["layer"], pair["test"]) for pair in first["paired"]] == [
        (pair["metric"], pair["layer"], pair["test"]) for pair in found["paired"]
    ]
    assert [one["paired"] for one in first["effects"]] == [True, True]
    paired = {pair["metric"]: pair["delta"] for pair in first["paired"] if pair["level"] == "overall"}
    assert {one["metric"]: one["first_delta"] for one in first["effects"]} == paired
    beginnings = [{"text": words(60, number)[slice(*first_span(words(60, number), characters=120))]}
                  for number in range(DOCUMENTS)]  # fmt: skip
    for name in (MODEL, "before"):
        alone = [api.post("/v1/analyses", json={**content, "model": name}).json() for content in beginnings]
        for metric in ("distance", "entropy"):
            mean = sum(one["metrics"][metric] for one in alone) / DOCUMENTS
            assert first["overall"][metric][name.split("-")[0]]["mean"] == pytest.approx(mean, rel=1e-5)


def test_before_and_after_tuning_heads_are_compared_too(api: httpx.Client, dataset: str) -> None:
    found = compared(api, dataset, "before", "after")
    assert [group["documents"] for group in found["groups"]] == [DOCUMENTS, DOCUMENTS]
    assert len(found["heads"]["distance"]["epsilon_squared"]) == 3
    assert len(found["paired"]) == 2 * (1 + 3)
    assert found["distance_words"]["tokens_per_word"]["before"] == found["distance_words"]["tokens_per_word"]["after"]
    unpaired = [pair for pair in found["pairs"] if pair["level"] == "overall"]
    assert len(unpaired) == 2


def in_memory(group: Group) -> Group:
    """The group with all its arrays in memory, as a notebook has them."""
    layers = group.layer_embeddings
    assert layers is not None
    everyone = np.arange(group.size)
    vectors = np.stack([layers.at(layer, everyone) for layer in range(group.depth)], axis=1)
    heads = None if group.heads is None else {name: np.array(values) for name, values in group.heads.items()}
    return replace(group, heads=heads, layer_embeddings=LayerVectors(vectors))


@pytest.mark.slow
def test_a_notebook_gives_the_same_result_as_the_service(api: httpx.Client, workers: Fleet, dataset: str) -> None:
    found = compared(api, dataset, "before", "after", controls=["shuffled_tokens"], map_layers=[1])
    request = ComparisonRequest.model_validate(found["request"])
    with workers.engine.connect() as connection:
        groups, shuffled = (
            [in_memory(one) for one in stored_groups(connection, found["job_id"], request, first)] for first in (0, 2)
        )
    with threadpool_limits(1):  # as the worker has it: sums by several threads differ in their last digits
        study = conduct_study(
            groups,
            ComparisonSettings(metrics=("distance", "entropy"), map_layers=(1,)),
            first_window=True,
            layer_embeddings=True,
            controls={"shuffled_tokens": lambda: shuffled},
            windows=Windows(characters=120, count=1, seed=0),
        )
    parts = {field.name for field in fields(Study)} - {"figures"}
    assert as_json(study) == {name: part for name, part in found.items() if name in parts}
    assert {"first_window", "distance_words", "controls", "heads"} <= as_json(study).keys()
    shown = [address.rsplit("/", 1)[1] for address in found["figures"]]
    assert shown == [f"{name}.svg" for name in figure_names(study)]


def test_groups_of_other_documents_keep_windows_of_tokens(api: httpx.Client, dataset: str) -> None:
    lines = [{"id": f"o{number}", "text": words(60, 50 + number)} for number in range(DOCUMENTS)]
    other = api.post("/v1/datasets?name=other", content=json_lines(*lines)).json()["id"]
    groups = [{"name": "one", "dataset_id": dataset}, {"name": "two", "dataset_id": other, "model": "before"}]
    job = job_at(
        api, api.post("/v1/comparisons", json={"groups": groups, "window_tokens": 40, "windows": 1, "maps": []})
    )
    found = api.get(job["result"]).json()
    assert found["windows"] == {"tokens": 40, "count": 1, "seed": 0}
    assert found["paired"] == []
    assert "distance_words" not in found
