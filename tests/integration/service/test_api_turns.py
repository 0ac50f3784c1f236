"""What the API tells of a conversation's turns, speakers and tokens, with a real worker behind it."""

import math
from typing import Any

import httpx
import numpy as np
import pyarrow
import pyarrow.ipc
import pytest
from api_service import api_process, problem_of
from kept_services import KeptService, ServicePlan
from seeded_work import unique_text
from sqlalchemy import func, insert, select, update
from worker_fleet import Fleet

from attention.definitions import TURN_METRIC_NAMES
from attention.measure.analysis import analyse
from attention.measure.capture import CaptureOptions
from attention.measure.flow import goal_flow, speaker_flow
from attention.measure.trajectory import trajectory
from attention.model.model import Model
from attention.text.documents import Document, Turn
from attention.text.rendering import render
from hearken.client import Client
from models.tables import analysis, inquiry, measurement, tenant

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

ARROW = "application/vnd.apache.arrow.stream"
SPEAKERS = ("Ana", "Bo", "Cy")
TURNS = tuple(
    Turn(SPEAKERS[number * number % 3], f"Remark {number} is about the {place} 🌊 and the weather there.")
    for number, place in enumerate(("lake", "bus", "folder", "garden", "small red house", "office", "road", "sea"))
)
LONG = tuple(Turn(SPEAKERS[n % 3], f"Remark {n}: we talk about boats and the lake.") for n in range(60))


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
    return analyse(minilm, [rendered], token_budget=4096, options=CaptureOptions(**want))[0]


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


def test_tokens_are_told_in_the_order_the_model_read_them(api: httpx.Client, talk: str, minilm: Model) -> None:
    answer = api.get(f"/v1/analyses/{talk}?include=tokens")
    assert answer.status_code == 200, answer.text
    found = answer.json()["tokens_detail"]
    detail = measured(minilm, TURNS, tokens=True).tokens_detail
    assert found["id"] == detail.id.tolist()
    assert found["window"] == [0] * len(detail.id)
    assert found["turn"] == [None if turn < 0 else turn for turn in detail.turn.tolist()]
    assert found["scaffold"] == detail.scaffold.tolist()
    assert found["text"][:8] == ["[CLS]", "ana", ":", "remark", "0", "is", "about", "the"]
    for name in ("distance", "entropy", "received", "received_lift"):
        np.testing.assert_allclose(numbers(found[name]), getattr(detail, name), rtol=1e-4, atol=1e-5)


def test_tokens_come_as_an_arrow_stream_where_one_is_preferred(api: httpx.Client, talk: str) -> None:
    plain = api.get(f"/v1/analyses/{talk}?include=tokens", headers={"Accept": f"application/json, {ARROW}"})
    assert plain.headers["content-type"] == "application/json"
    assert plain.headers["vary"] == "Accept"
    answer = api.get(f"/v1/analyses/{talk}?include=tokens", headers={"Accept": f"application/json;q=0.5, {ARROW}"})
    assert answer.headers["content-type"] == ARROW
    table = pyarrow.ipc.open_stream(answer.content).read_all()
    detail = plain.json()["tokens_detail"]
    for name in ("window", "id", "text", "turn", "scaffold"):
        assert table[name].to_pylist() == detail[name]
    for name in ("distance", "entropy", "received", "received_lift"):
        np.testing.assert_allclose(numbers(table[name].to_pylist()).T, numbers(detail[name]), rtol=1e-5)
    assert table.schema.metadata[b"analysis_id"].decode() == talk
    assert table.schema.metadata[b"definitions"] == b"hearken-metrics/1"


def test_tokens_of_every_window_are_told(api: httpx.Client, long_talk: str) -> None:
    found = api.get(f"/v1/analyses/{long_talk}?include=tokens").json()
    detail = found["tokens_detail"]
    assert len(detail["id"]) == found["tokens"]
    assert set(detail["window"]) == set(range(found["windows"]))
    assert {turn for turn in detail["turn"] if turn is not None} == set(range(60))


def test_flow_by_head_averages_to_the_flow(api: httpx.Client, talk: str) -> None:
    found = api.get(f"/v1/analyses/{talk}?include=flow_heads").json()["flow"]
    heads = numbers(found["heads"])
    assert heads.shape == (6, 12, 8, 9)
    np.testing.assert_allclose(heads.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(heads.mean(1), numbers(found["layers"]), atol=1e-6)


def test_the_weights_of_one_head_give_its_metrics(api: httpx.Client, talk: str) -> None:
    heads = api.get(f"/v1/analyses/{talk}?include=heads").json()["heads"]
    found = api.get(f"/v1/analyses/{talk}/attention?layer=3&head=7").json()
    weights = numbers(found["weights"])
    place = np.arange(len(weights))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    distance = (weights * abs(place[:, None] - place)).sum(-1).mean()
    assert distance == pytest.approx(heads["distance"][3][7], rel=1e-4)
    assert (found["layer"], found["head"], found["window"], found["text"][0]) == (3, 7, 0, "[CLS]")
    answer = api.get(f"/v1/analyses/{talk}/attention?layer=3&head=7", headers={"Accept": ARROW})
    table = pyarrow.ipc.open_stream(answer.content).read_all()
    np.testing.assert_array_equal(numbers(table["weights"].to_pylist()), weights)
    assert table["turn"].to_pylist() == found["turn"]


def test_the_python_client_reads_every_detail(api: httpx.Client, talk: str) -> None:
    with Client(str(api.base_url)) as client:
        found = client.analysis(talk, include=("heads", "turns", "flow_heads", "tokens"))
        weights = client.attention(talk, layer=1, head=2)
    assert found.turns_detail is not None
    assert found.tokens_detail is not None
    assert found.flow is not None
    assert (len(found.flow.heads), len(found.flow.heads[0])) == (6, 12)
    assert len(found.turns_detail.tokens) == len(TURNS)
    assert weights.text == found.tokens_detail.text
    assert weights.turn == found.tokens_detail.turn


def test_the_weights_of_a_later_window_are_its_own(api: httpx.Client, long_talk: str) -> None:
    tokens = api.get(f"/v1/analyses/{long_talk}?include=tokens").json()["tokens_detail"]
    found = api.get(f"/v1/analyses/{long_talk}/attention?layer=0&head=0&window=1").json()
    assert found["id"] == [token for token, window in zip(tokens["id"], tokens["window"], strict=True) if window == 1]


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("layer=6&head=0", "layer", "the last one is 5"),
        ("layer=0&head=12", "head", "the last one is 11"),
        ("layer=0&head=0&window=1", "window", "the last one is 0"),
        ("layer=-1&head=0", "layer", "0"),
        ("layer=0", "head", "required"),
    ],
)
def test_weights_that_there_are_not_are_refused_by_field(
    api: httpx.Client, talk: str, query: str, field: str, said: str
) -> None:
    refused = problem_of(api.get(f"/v1/analyses/{talk}/attention?{query}"), 422, "invalid-request")
    assert refused["errors"][0]["pointer"] == f"query:{field}"
    assert said in refused["errors"][0]["message"]


def test_details_leave_no_inquiry_behind_and_are_the_tenants_own(api: httpx.Client, talk: str, workers: Fleet) -> None:
    api.get(f"/v1/analyses/{talk}?include=tokens")
    with workers.engine.begin() as connection:
        assert connection.execute(select(func.count()).select_from(inquiry)).scalar_one() == 0
        connection.execute(insert(tenant).values(id="other", name="other"))
        connection.execute(update(analysis).where(analysis.c.id == talk).values(tenant_id="other"))
    try:
        problem_of(api.get(f"/v1/analyses/{talk}?include=tokens"), 404, "not-found")
        problem_of(api.get(f"/v1/analyses/{talk}/attention?layer=0&head=0"), 404, "not-found")
    finally:
        with workers.engine.begin() as connection:
            connection.execute(update(analysis).where(analysis.c.id == talk).values(tenant_id="local"))


def test_what_was_measured_under_other_weights_is_not_measured_anew(
    api: httpx.Client, talk: str, workers: Fleet
) -> None:
    with workers.engine.begin() as connection:
        row = connection.execute(
            select(measurement.c.id, measurement.c.work_key)
            .join_from(analysis, measurement)
            .where(analysis.c.id == talk)
        ).one()
        connection.execute(update(measurement).where(measurement.c.id == row.id).values(work_key=b"of other weights"))
    try:
        problem_of(api.get(f"/v1/analyses/{talk}?include=tokens"), 409, "model-changed")
    finally:
        with workers.engine.begin() as connection:
            connection.execute(update(measurement).where(measurement.c.id == row.id).values(work_key=row.work_key))


def test_a_worker_that_does_not_answer_in_time_is_a_503_with_retry_after(service: KeptService, talk: str) -> None:
    nowhere, log = "redis://127.0.0.1:1/0", service.folder / "deaf.log"
    with api_process(service.database_url, nowhere, log, inquiry_seconds="0.01") as deaf:
        answer = deaf.get(f"/v1/analyses/{talk}/attention?layer=0&head=0")
        problem_of(answer, 503, "model-busy")
        assert int(answer.headers["retry-after"]) > 0
        problem_of(deaf.get(f"/v1/analyses/{talk}?include=tokens"), 503, "model-busy")


def test_a_thousand_turns_are_told_one_layer_of_flow_at_a_time(api: httpx.Client) -> None:
    crowd = tuple(Turn(f"S{n % 12}", f"yes {n}") for n in range(1_000))
    made = sent(api, crowd)
    refused = problem_of(api.get(f"/v1/analyses/{made}?include=flow"), 422, "detail-too-large")
    assert (refused["limit"], refused["actual"]) == (2_048 * 2_049, 6 * 1_000 * 1_001)
    found = api.get(f"/v1/analyses/{made}?include=flow,turns&layer=5").json()
    flow = numbers(found["flow"]["layers"])
    assert flow.shape == (1, 1_000, 1_001)
    assert found["flow"]["layer"] == 5
    assert np.abs(np.nansum(flow, -1) - 1).max() < 1e-5
    between = numbers(found["flow"]["speakers"]["layers"])
    assert between.shape == (1, 12, 13)
    assert np.abs(between.sum(-1) - 1).max() < 1e-5
    assert len(found["turns_detail"]["tokens"]) == 1_000
    moved = found["turns_detail"]["trajectory"]["entropy"]
    assert moved["low"] < moved["slope"] < moved["high"]


def test_one_layer_of_the_flow_is_that_layer_of_all(api: httpx.Client, talk: str) -> None:
    whole = api.get(f"/v1/analyses/{talk}?include=flow_heads").json()["flow"]
    one = api.get(f"/v1/analyses/{talk}?include=flow_heads&layer=2").json()["flow"]
    assert (whole["layer"], one["layer"]) == (None, 2)
    assert one["layers"] == whole["layers"][2:3]
    assert one["speakers"]["layers"] == whole["speakers"]["layers"][2:3]
    np.testing.assert_allclose(numbers(one["heads"]), numbers(whole["heads"])[2:3], atol=1e-6)
    refused = problem_of(api.get(f"/v1/analyses/{talk}?include=flow&layer=6"), 422, "invalid-request")
    assert refused["errors"][0]["pointer"] == "query:layer"
