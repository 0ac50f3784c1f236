"""What the API tells of a conversation's turns, speakers and tokens, with a real worker behind it."""

import math
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from api_service import api_process, problem_of
from seeded_work import unique_text
from worker_fleet import Fleet, fleet

from attention.analysis import Want, analyse
from attention.conversation import Document, Turn, render
from attention.definitions import TURN_METRIC_NAMES
from attention.flow import goal_flow, speaker_flow
from attention.model import Model, open_model, packaged_minilm
from attention.trajectory import trajectory

pytestmark = pytest.mark.xdist_group("api turns")

SPEAKERS = ("Ana", "Bo", "Cy")
TURNS = tuple(
    Turn(SPEAKERS[number * number % 3], f"Remark {number} is about the {place} 🌊 and the weather there.")
    for number, place in enumerate(("lake", "bus", "folder", "garden", "small red house", "office", "road", "sea"))
)
LONG = tuple(Turn(SPEAKERS[n % 3], f"Remark {n}: we talk about boats and the lake.") for n in range(60))


@pytest.fixture(scope="module")
def workers() -> Iterator[Fleet]:
    with fleet(1) as started:
        yield started


@pytest.fixture(scope="module")
def api(workers: Fleet) -> Iterator[httpx.Client]:
    settings = workers.environment
    with api_process(
        settings["HEARKEN_DATABASE_URL"], settings["HEARKEN_BROKER_URL"], workers.folder / "api.log"
    ) as client:
        yield client


@pytest.fixture(scope="module")
def minilm() -> Model:
    return open_model(packaged_minilm())


def sent(api: httpx.Client, turns: tuple[Turn, ...]) -> str:
    said = [{"speaker": turn.speaker, "text": turn.text} for turn in turns]
    answer = api.post("/v1/analyses", json={"conversation": {"turns": said}}, headers={"Prefer": "wait=60"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def talk(api: httpx.Client) -> str:
    return sent(api, TURNS)


@pytest.fixture(scope="module")
def long_talk(api: httpx.Client) -> str:
    return sent(api, LONG)


def measured(minilm: Model, turns: tuple[Turn, ...], **want: bool) -> Any:
    rendered = render(minilm.tokenizer, Document(turns=turns), context=minilm.facts.context)
    return analyse(minilm, [rendered], token_budget=4096, want=Want(**want))[0]


def numbers(values: Any) -> Any:
    """Nested lists as an array, null as NaN."""
    return np.array(values, float)


def test_turns_have_their_own_metrics_and_a_trajectory(api: httpx.Client, talk: str, minilm: Model) -> None:
    found = api.get(f"/v1/analyses/{talk}?include=turns").json()["turns_detail"]
    expected = measured(minilm, TURNS)
    assert found["speaker"] == [turn.speaker for turn in TURNS]
    assert found["tokens"] == expected.turn_tokens.tolist()
    assert tuple(found["metrics"]) == TURN_METRIC_NAMES
    for name in TURN_METRIC_NAMES:
        np.testing.assert_allclose(numbers(found["metrics"][name]), expected.turn_metrics[name], rtol=1e-4, atol=1e-5)
        moved = trajectory(found["metrics"][name], found["tokens"])
        assert found["trajectory"][name] == {
            part: getattr(moved, part) for part in ("early", "middle", "late", "slope", "low", "high")
        }
    assert found["metrics"]["cross_turn"][0] is None
    moved = found["trajectory"]["turn_distance"]
    assert moved["early"] < moved["late"]
    assert moved["low"] < moved["slope"] < moved["high"]


def test_flow_tells_speakers_and_what_becomes_of_first_turns(api: httpx.Client, talk: str, minilm: Model) -> None:
    found = api.get(f"/v1/analyses/{talk}?include=flow").json()["flow"]
    expected = measured(minilm, TURNS)
    speakers = found["speakers"]
    assert speakers["columns"] == ["scaffold", "Ana", "Bo"]  # squares leave no remainder 2
    between = speaker_flow(expected.flow, expected.turn_speakers, expected.turn_tokens, 2)
    np.testing.assert_allclose(numbers(speakers["layers"]), between, atol=1e-5)
    np.testing.assert_allclose(numbers(speakers["layers"]).sum(-1), 1, atol=1e-5)
    goal = found["goal"]
    assert (goal["columns"], goal["turns"]) == (["Ana", "Bo"], [0, 1])
    np.testing.assert_allclose(numbers(goal["layers"]), goal_flow(expected.flow, expected.turn_speakers, 2), atol=1e-5)
    assert goal["layers"][0][0] == [None, None]
    assert goal["layers"][0][1][1] is None
    assert goal["layers"][0][7][0] == found["layers"][0][7][1]
    assert "heads" not in found


def test_flow_beyond_a_window_is_null_and_its_rows_still_sum_to_one(api: httpx.Client, long_talk: str) -> None:
    found = api.get(f"/v1/analyses/{long_talk}?include=flow").json()
    assert found["windows"] > 1
    flow = numbers(found["flow"]["layers"])
    assert np.isnan(flow[:, 0, -1]).all()
    assert np.abs(np.nansum(flow, -1) - 1).max() < 1e-5
    assert np.abs(np.nansum(numbers(found["flow"]["speakers"]["layers"]), -1) - 1).max() < 1e-5
    assert np.isnan(numbers(found["flow"]["goal"]["layers"])[:, -1]).all()


def test_a_text_has_no_turns_and_an_unknown_part_is_refused_by_name(api: httpx.Client) -> None:
    made = api.post("/v1/analyses", json={"text": unique_text()}).json()
    found = api.get(f"/v1/analyses/{made['id']}?include=turns,flow").json()
    assert (found["turns_detail"], found["flow"]) == (None, None)
    refused = problem_of(api.get(f"/v1/analyses/{made['id']}?include=turns,rows"), 422, "invalid-request")
    assert "rows" in refused["errors"][0]["message"]
    assert not math.isnan(found["metrics"]["entropy"])
