"""What `analyse` promises about whole documents: flow, tokens, embeddings, windows, and texts with little in them."""

from functools import cache

import numpy as np
import pytest
import torch
from capture_networks import Twin, model_of, talk_window, text_window, twin
from capture_oracle import rows_of, seen_by_eager

from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES
from attention.errors import CaptureIncomplete, DocumentRefused, EmptyDocument, Interrupted, NotFinite
from attention.measure.analysis import analyse, attention_weights
from attention.measure.capture import CaptureOptions
from attention.text.documents import Rendered, Window

EVERYTHING = CaptureOptions(flow=True, flow_heads=True, tokens=True, layer_embeddings=True)


@cache
def network(family: str) -> Twin:
    return twin(family)


def document(*windows: Window, turns: int | None = None) -> Rendered:
    return Rendered(windows, turns, ("Ana", "Bo"), sum(len(window) for window in windows), False)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "mistral", "qwen3", "gemma2"])
def test_flow_is_the_mean_mass_of_a_turns_rows_and_its_rows_sum_to_one(family: str) -> None:
    window = talk_window((4, 2, 7, 3), speakers=3)
    (measurement,) = analyse(network(family).model, [document(window, turns=4)], token_budget=99, options=EVERYTHING)
    weights = network(family).eager_weights(window)
    expected = np.stack([rows_of(a, seen_by_eager(a), window).flow for a in weights])
    assert measurement.flow is not None
    assert measurement.flow_heads is not None
    np.testing.assert_allclose(measurement.flow_heads, expected, atol=1e-6)
    np.testing.assert_allclose(measurement.flow, expected.mean(1), atol=1e-6)
    np.testing.assert_allclose(measurement.flow.sum(-1), 1, atol=1e-5)
    (light,) = analyse(network(family).model, [document(window, turns=4)], token_budget=99)
    assert light.flow_heads is None
    assert light.flow is not None
    np.testing.assert_allclose(light.flow, measurement.flow, atol=1e-6)


def test_turns_that_share_no_window_have_no_flow_between_them() -> None:
    windows = (talk_window((4, 5), seed=1), talk_window((3, 2), seed=2, first=2))
    (measurement,) = analyse(network("llama").model, [document(*windows, turns=4)], token_budget=99)
    flow = measurement.flow
    assert flow is not None
    assert flow.shape == (2, 4, 5)
    together = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1]], bool)
    np.testing.assert_array_equal(np.isnan(flow), np.broadcast_to(~together, flow.shape))
    np.testing.assert_allclose(np.nansum(flow, -1), 1, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "gpt2", "mistral"])
def test_tokens_tell_distance_entropy_and_received_attention(family: str) -> None:
    window = talk_window()
    (measurement,) = analyse(network(family).model, [document(window, turns=5)], token_budget=99, options=EVERYTHING)
    detail = measurement.tokens_detail
    assert detail is not None
    np.testing.assert_array_equal(detail.id, window.ids)
    np.testing.assert_array_equal(detail.turn, window.turn)
    for layer, a in enumerate(network(family).eager_weights(window)):
        oracle = rows_of(a, seen_by_eager(a), window)
        np.testing.assert_allclose(detail.distance[layer], np.mean(oracle.values["distance"], 0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(detail.entropy[layer], np.mean(oracle.values["entropy"], 0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(detail.received[layer], oracle.received.mean(0), atol=1e-6)
        lift = oracle.received.mean(0) / oracle.received_uniform
        np.testing.assert_allclose(detail.received_lift[layer], lift, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_embeddings_are_means_of_hidden_states_without_special_tokens(family: str) -> None:
    windows = (talk_window((4, 5), seed=1), talk_window((3, 2), seed=2, first=2))
    rendered = document(*windows, turns=4)
    (measurement,) = analyse(network(family).model, [rendered], token_budget=99, options=EVERYTHING)
    own: list[np.ndarray] = []
    turns: dict[int, list[np.ndarray]] = {turn: [] for turn in range(4)}
    for window in windows:
        with torch.inference_mode():
            states = network(family).eager(input_ids=torch.from_numpy(window.ids)[None]).last_hidden_state[0].numpy()
        own.append(states[~window.special])
        for turn in range(4):
            turns[turn].append(states[window.turn == turn])
    np.testing.assert_allclose(measurement.embedding, np.concatenate(own).mean(0), atol=2e-5)
    assert measurement.turn_embeddings is not None
    for turn, found in turns.items():
        np.testing.assert_allclose(measurement.turn_embeddings[turn], np.concatenate(found).mean(0), atol=2e-5)
    assert measurement.layer_embeddings is not None
    assert measurement.layer_embeddings.shape == (2, 32)
    np.testing.assert_allclose(measurement.layer_embeddings[-1], measurement.embedding, atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "mistral", "qwen3"])
def test_a_text_of_one_token_is_measured(family: str) -> None:
    (measurement,) = analyse(network(family).model, [document(text_window(1))], token_budget=99, options=EVERYTHING)
    defined = {name for name in METRIC_NAMES if not np.isnan(measurement.document[name])}
    assert defined == {"distance", "distance_spread", "entropy", "scaffold", "null_mass"}
    assert all(measurement.document[name] == 0 for name in defined)
    assert not np.isnan(measurement.embedding).any()


def test_a_text_of_special_tokens_only_has_metrics_and_no_embedding() -> None:
    window = text_window(2)
    window = Window(window.ids, window.turn, window.speaker, np.ones(2, bool), np.ones(2, bool))
    (measurement,) = analyse(network("bert").model, [document(window)], token_budget=99)
    assert measurement.document["scaffold"] == pytest.approx(1)
    assert 0 < measurement.document["distance"] < 1
    assert np.isnan(measurement.embedding).all()


def test_a_single_turn_has_no_conversation_shares_but_a_flow() -> None:
    (measurement,) = analyse(network("llama").model, [document(talk_window((6,)), turns=1)], token_budget=99)
    assert all(np.isnan(measurement.document[name]) for name in CONVERSATION_METRIC_NAMES)
    assert measurement.flow is not None
    np.testing.assert_allclose(measurement.flow.sum(-1), 1, atol=1e-5)


def test_a_lone_speaker_has_no_lift_over_other_speakers() -> None:
    (measurement,) = analyse(network("llama").model, [document(talk_window(speakers=1), turns=5)], token_budget=99)
    assert measurement.document["cross_speaker"] == 0
    assert np.isnan(measurement.document["cross_speaker_lift"])
    assert measurement.document["own_history"] == pytest.approx(measurement.document["cross_turn"])


def test_a_document_without_tokens_is_refused() -> None:
    with pytest.raises(EmptyDocument, match="no tokens"):
        analyse(network("bert").model, [document(text_window(0))], token_budget=99)


def test_a_layer_that_does_not_attend_through_the_capture_refuses_the_model() -> None:
    model = model_of(network("bert").model.network, layers=3)
    with pytest.raises(CaptureIncomplete, match="2 attention calls were measured where 3 layers attend"):
        analyse(model, [document(text_window(9))], token_budget=99)


def test_work_can_be_stopped_between_passes() -> None:
    calls: list[int] = []

    def stop() -> None:
        calls.append(len(calls))
        raise Interrupted("cancelled")

    with pytest.raises(Interrupted):
        analyse(network("bert").model, [document(text_window(9))] * 3, token_budget=9, between_passes=stop)
    assert calls == [0]


@pytest.mark.parametrize("family", ["bert", "llama", "mistral"])
def test_attention_weights_are_the_eager_ones(family: str) -> None:
    window = talk_window()
    eager = network(family).eager_weights(window)
    for layer, head in ((0, 3), (1, 0)):
        found = attention_weights(network(family).model, window, layer, head)
        np.testing.assert_allclose(found, eager[layer][head], atol=1e-6)


def test_attention_weights_are_refused_beyond_their_limit_or_for_no_such_head() -> None:
    with pytest.raises(DocumentRefused, match="at most 1024"):
        attention_weights(network("bert").model, text_window(1025), 0, 0)
    with pytest.raises(DocumentRefused, match="layers 0 to 1 and heads 0 to 3"):
        attention_weights(network("bert").model, text_window(9), 0, 4)


@pytest.mark.parametrize("parameter", ["query", "value"])
def test_a_network_that_overflows_is_refused_and_never_gives_nan(parameter: str) -> None:
    model = twin("bert").model
    with torch.no_grad():
        model.network.encoder.layer[0].attention.self.get_submodule(parameter).bias[3] = float("nan")  # type: ignore[union-attr,index]
    with pytest.raises(NotFinite, match="no finite numbers on this text in float32"):
        analyse(model, [document(text_window(70))], token_budget=99)
