"""Vectors as they are given out: those that search compares."""

from typing import Any

import httpx
import numpy as np
import pytest
from kept_services import ServicePlan
from seeded_work import unique_text

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

WAIT = {"Prefer": "wait=60"}


def test_a_conversation_has_its_vector_and_one_for_each_turn(api: httpx.Client) -> None:
    said = [unique_text(), unique_text(), unique_text()]
    turns = [{"speaker": "AB"[number % 2], "text": words} for number, words in enumerate(said)]
    made = api.post("/v1/analyses", json={"conversation": {"turns": turns}}, headers=WAIT).json()
    assert made["embedding"] == {"dimension": 384}
    found = api.get(f"/v1/analyses/{made['id']}", params={"include": "embedding"}).raise_for_status().json()
    vectors = found["embedding"]
    assert (vectors["dimension"], len(vectors["values"])) == (384, 384)
    [hit] = api.post("/v1/search", json={"vector": vectors["values"], "k": 1}).json()["items"]
    assert (hit["analysis_id"], hit["score"]) == (made["id"], pytest.approx(1.0, abs=1e-6))
    assert len(vectors["turn_values"]) == 3
    for number, vector in enumerate(vectors["turn_values"]):
        asked = {"vector": vector, "k": 1, "scope": "turns"}
        [hit] = api.post("/v1/search", json=asked).json()["items"]
        assert (hit["analysis_id"], hit["turn"]) == (made["id"], number)
        assert hit["score"] == pytest.approx(1.0, abs=1e-6)
    assert {name: found[name] for name in found if name != "embedding"} == {
        name: made[name] for name in made if name != "embedding"
    }


def test_a_text_has_no_vectors_of_turns(api: httpx.Client) -> None:
    made = api.post("/v1/analyses", json={"text": unique_text()}, headers=WAIT).json()
    vectors = api.get(f"/v1/analyses/{made['id']}", params={"include": "embedding,heads"}).json()["embedding"]
    assert np.isfinite(vectors["values"]).all()
    assert vectors["turn_values"] is None


def test_equal_documents_are_one_hit_with_all_their_analyses(api: httpx.Client) -> None:
    said = unique_text()
    names = [f"{said}-{number}" for number in range(3)]
    rounds = ("even", "odd", "even")
    sent = [
        {"text": said, "external_id": name, "labels": {"round": each}} for name, each in zip(names, rounds, strict=True)
    ]
    made = [api.post("/v1/analyses", json=each, headers=WAIT).json() for each in sent]
    near = {"analysis_id": made[0]["id"], "k": 3}

    def found(**asked: Any) -> list[dict[str, Any]]:
        items = api.post("/v1/search", json={"text": said, "k": 2} | asked).raise_for_status().json()["items"]
        return [item for item in items if item["score"] > 1 - 1e-5]

    [hit] = found()
    assert hit["analyses"] == [each["id"] for each in reversed(made)]
    assert (hit["analysis_id"], hit["external_id"], hit["speaker"]) == (made[2]["id"], names[2], None)
    [hit] = found(filter={"external_id": names[0]})
    assert hit["analyses"] == [made[0]["id"]]
    [hit] = found(filter={"external_id": names[:2], "labels": {"round": "odd"}})
    assert hit["analyses"] == [made[1]["id"]]
    hits = api.post("/v1/search", json=near).json()["items"]
    assert hits[0]["analyses"] == [made[2]["id"], made[1]["id"]], "itself is left out, what equals it is not"


def test_a_turn_says_who_said_it(api: httpx.Client) -> None:
    said = unique_text()
    turns = [{"speaker": "Ana", "text": unique_text()}, {"speaker": "Bo", "text": said}]
    made = api.post("/v1/analyses", json={"conversation": {"turns": turns}}, headers=WAIT).json()
    vectors = api.get(f"/v1/analyses/{made['id']}", params={"include": "embedding"}).json()["embedding"]
    asked = {"vector": vectors["turn_values"][1], "k": 1, "scope": "turns"}
    [hit] = api.post("/v1/search", json=asked).json()["items"]
    assert (hit["turn"], hit["speaker"], hit["snippet"]) == (1, "Bo", said)
