"""A model whose hidden size no type of pgvector holds is measured, searched, compared and deleted like any other."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
import pytest
from api_service import job_at, json_lines, problem_of
from kept_services import KeptService, ServicePlan
from numpy.typing import NDArray
from seeded_work import numbers, words
from sqlalchemy import Engine, func, null, select, text
from tiny_models import tiny_model

from hearken.local import RedisServer
from models.settings import Settings, load_models_file
from models.tables import analysis, embedding, layer_embedding, measurement, turn_embedding
from workers.app import app
from workers.dispatch import Dispatcher
from workers.measuring.model_registry import ModelRegistry
from workers.process import WorkerProcess

HIDDEN = 16_400
MODEL = "broad"
LAYERS = 1
DOCUMENTS = 8

TALK = {
    "turns": [
        {"speaker": "Ana", "text": "Are you coming to the lake?"},
        {"speaker": "Bo", "text": "Yes, at six, if the bus runs."},
        {"speaker": "Ana", "text": "Then bring the blue folder."},
    ]
}


def broad_model(folder: Path) -> Path:
    """A models file of one network with wide hidden states and little else: narrow heads, few hidden units."""
    narrow = {"head_dim": 8, "intermediate_size": 8}
    tiny_model(folder / MODEL, "qwen3", layers=LAYERS, heads=2, key_value_heads=1, hidden=HIDDEN, **narrow)
    file = folder / "models.toml"
    file.write_text(f'[[model]]\nid = "{MODEL}"\npath = "{folder / MODEL}"\ndefault = true\n', encoding="utf-8")
    return file


pytestmark = pytest.mark.xdist_group("wide models")
SERVICE = ServicePlan(models=broad_model)


@pytest.fixture(scope="module")
def worker(engine: Engine, service: KeptService, redis_server: RedisServer) -> Iterator[Thread]:
    """A worker in this process, which asks for work itself and needs no wake-up."""
    app.conf.broker_url = redis_server.url
    app.amqp._producer_pool = None
    models = ModelRegistry(engine, load_models_file(service.models_file), 4096)
    dispatcher = Dispatcher(WorkerProcess(engine, Settings(threads=1)), models, engine)
    over = Event()

    def work() -> None:
        while not over.wait(0.02):
            dispatcher.answer_model(MODEL)
            dispatcher.answer_summaries()

    thread = Thread(target=work)
    thread.start()
    yield thread
    over.set()
    thread.join()


@pytest.fixture(scope="module")
def dataset(api: httpx.Client, worker: Thread) -> str:
    """Texts of two domains, and a conversation in a third."""
    assert worker.is_alive()
    lines = [
        {"domain": domain, "text": made(20, number)}
        for domain, made in (("words", words), ("numbers", numbers))
        for number in range(DOCUMENTS)
    ]
    return str(api.post("/v1/datasets?name=broad", content=json_lines(*lines, {"domain": "talk", **TALK})).json()["id"])


@pytest.fixture(scope="module")
def measured(api: httpx.Client, dataset: str) -> dict[str, str]:
    """The analyses of the data set, and the domain of each."""
    job = job_at(api, api.post("/v1/batches", json={"dataset_id": dataset}))
    assert (job["state"], job["progress"]["failed"]) == ("succeeded", 0), job
    found = api.get("/v1/analyses", params={"job_id": job["id"], "limit": 200}).json()["items"]
    return {each["id"]: each["domain"] for each in found}


@pytest.fixture(scope="module")
def comparison(api: httpx.Client, dataset: str) -> Any:
    """A finished comparison of the two domains of texts."""
    sent = {
        "groups": [{"name": domain, "dataset_id": dataset, "domain": domain} for domain in ("words", "numbers")],
        "window_tokens": 16, "windows": 1, "by_head": False, "metrics": ["distance"], "maps": ["embedding"],
    }  # fmt: skip
    job = job_at(api, api.post("/v1/comparisons", json=sent))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


def vectors_of(engine: Engine, turns: bool = False) -> dict[tuple[str, int | None], NDArray[np.float64]]:
    """The unit vectors of listed documents, or of their turns, as they are stored."""
    table = turn_embedding if turns else embedding
    turn = turn_embedding.c.turn if turns else null()
    chosen = (
        select(analysis.c.id, turn.label("turn"), table.c.embedding, table.c.wide)
        .join_from(table, analysis, analysis.c.measurement_id == table.c.measurement_id)
        .where(analysis.c.listed)
    )
    with engine.connect() as connection:
        rows = connection.execute(chosen).all()
    assert all(row.embedding is None and len(row.wide) == HIDDEN for row in rows)
    return {(row.id, row.turn): np.asarray(row.wide) / np.linalg.norm(row.wide) for row in rows}


def searched(api: httpx.Client, **sent: Any) -> Any:
    answer = api.post("/v1/search", json={"k": 200, **sent})
    assert answer.status_code == 200, answer.text
    assert answer.json()["exact"] is True
    return answer.json()


def scores(found: Any) -> dict[tuple[str, int | None], float]:
    listed = [hit["score"] for hit in found["items"]]
    assert listed == sorted(listed, reverse=True)
    return {(hit["analysis_id"], hit["turn"]): hit["score"] for hit in found["items"]}


def test_it_is_ready_and_has_no_graph_of_embeddings(api: httpx.Client, engine: Engine, measured: Any) -> None:
    assert len(measured) == 2 * DOCUMENTS + 1
    (model,) = api.get("/v1/models").json()["items"]
    assert (model["id"], model["state"], model["reason"]) == (MODEL, "ready", None)
    facts = api.get(f"/v1/analyses/{next(iter(measured))}").json()
    assert facts["embedding"]["dimension"] == HIDDEN
    with engine.connect() as connection:
        made = connection.execute(text("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%'"))
        assert made.all() == []


def test_scores_near_an_analysis_are_the_cosines_of_what_is_stored(
    api: httpx.Client, engine: Engine, measured: dict[str, str]
) -> None:
    vectors = vectors_of(engine)
    near = next(iter(measured))
    expected = {at: float(vectors[near, None] @ vector) for at, vector in vectors.items() if at[0] != near}
    assert scores(searched(api, analysis_id=near)) == pytest.approx(expected, abs=1e-5)
    assert max(expected.values()) - min(expected.values()) > 0.1, "documents differ"
    kept = {at: score for at, score in expected.items() if measured[at[0]] == "numbers"}
    assert scores(searched(api, analysis_id=near, filter={"domain": "numbers"})) == pytest.approx(kept, abs=1e-5)


def test_a_text_finds_itself_and_a_vector_of_any_length_what_it_points_to(
    api: httpx.Client, engine: Engine, measured: dict[str, str]
) -> None:
    said = scores(searched(api, text=words(20, 3)))
    first, second = list(said.values())[:2]
    assert first == pytest.approx(1.0, abs=1e-5)
    assert second < 1 - 1e-4
    vectors = vectors_of(engine)
    at = next(iter(said))
    assert measured[at[0]] == "words"
    found = scores(searched(api, vector=(7 * vectors[at]).tolist()))
    assert found == pytest.approx({other: float(vectors[at] @ vector) for other, vector in vectors.items()}, abs=1e-5)
    problem_of(api.post("/v1/search", json={"vector": [1.0] * (HIDDEN - 1)}), 422, "wrong-dimension")


@pytest.mark.usefixtures("measured")
def test_turns_are_searched_by_themselves(api: httpx.Client, engine: Engine) -> None:
    vectors = vectors_of(engine, turns=True)
    assert sorted(turn for _, turn in vectors if turn is not None) == [0, 1, 2]
    at = next(at for at in vectors if at[1] == 1)
    found = scores(searched(api, vector=vectors[at].tolist(), scope="turns"))
    assert next(iter(found)) == at
    assert found == pytest.approx({other: float(vectors[at] @ vector) for other, vector in vectors.items()}, abs=1e-5)


def test_profiles_are_searched_as_ever(api: httpx.Client, measured: dict[str, str]) -> None:
    near = next(iter(measured))
    found = searched(api, analysis_id=near, space="profile")
    assert {hit["analysis_id"] for hit in found["items"]} == measured.keys() - {near}
    assert (found["profile"]["numbers"], found["profile"]["missing"]) == (4 * LAYERS * 2, 0)


def test_a_comparison_reads_the_documents_and_every_layer(comparison: Any) -> None:
    by_layer = {one["layer"] for one in comparison["separability"] if one["space"] == "embedding"}
    assert by_layer == {None, *range(LAYERS)}
    (drawn,) = comparison["maps"]
    assert (drawn["space"], len(drawn["points"])) == ("embedding", 2 * DOCUMENTS)
    assert not [warned for warned in comparison["warnings"] if warned["code"] == "no-layer-embeddings"]


def test_a_document_is_placed_on_the_map_where_it_stands(api: httpx.Client, comparison: Any) -> None:
    point = comparison["maps"][0]["points"][3]
    answer = api.post(f"/v1/comparisons/{comparison['id']}/place", json={"analysis_id": point["analysis_id"]})
    assert answer.status_code == 200, answer.text
    nearest, second = answer.json()["embedding"]["neighbours"][:2]
    assert nearest["analysis_id"] == point["analysis_id"]
    assert nearest["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert second["similarity"] < 1 - 1e-4


def test_what_is_deleted_takes_its_vectors_along(api: httpx.Client, engine: Engine, comparison: Any) -> None:
    chosen = select(analysis.c.measurement_id).where(analysis.c.job_id == comparison["job_id"])

    def left(table: Any, ids: list[int]) -> int:
        column = table.c.id if table is measurement else table.c.measurement_id
        with engine.connect() as connection:
            return int(connection.execute(select(func.count()).where(column.in_(ids))).scalar_one())

    with engine.connect() as connection:
        ids = list(connection.execute(chosen).scalars())
    assert (left(embedding, ids), left(layer_embedding, ids)) == (2 * DOCUMENTS, 2 * DOCUMENTS * LAYERS)
    assert api.delete(f"/v1/jobs/{comparison['job_id']}").status_code == 204
    assert [left(table, ids) for table in (measurement, embedding, layer_embedding)] == [0, 0, 0]
