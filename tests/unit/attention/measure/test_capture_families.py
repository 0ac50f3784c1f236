"""Captured metrics equal a dense float64 computation from the network's own eager weights, family by family."""

from functools import cache

import numpy as np
import pytest
import torch
from capture_networks import CONFIGURATIONS, Twin, talk_window, text_window, twin
from capture_oracle import heads_of, rows_of, seen_by_eager

from attention.definitions import CONVERSATION_METRIC_NAMES, METRICS
from attention.measure.analysis import analyse
from attention.measure.capture import CaptureOptions
from attention.text.documents import Rendered, Window

TOLERANCES = {"nats": (1e-5, 1e-5), "tokens": (1e-6, 1e-5), "turns": (1e-6, 1e-5), "1": (1e-6, 0.0)}
"""Absolute and relative, by unit."""
RATIOS = {"dispersion", "interdependency"}


@cache
def network(family: str) -> Twin:
    return twin(family)


def document(*windows: Window) -> Rendered:
    turns = max(int(window.turn.max()) for window in windows) + 1
    return Rendered(windows, turns or None, ("Ana", "Bo"), sum(len(window) for window in windows), False)


def assert_equals_oracle(twin: Twin, rendered: Rendered, measured: dict[str, np.ndarray]) -> None:
    windows = []
    for window in rendered.windows:
        weights = twin.eager_weights(window)
        windows.append([rows_of(a, seen_by_eager(a), window) for a in weights])
    expected = heads_of(windows)
    for metric in METRICS:
        absolute, relative = TOLERANCES[metric.unit]
        if metric.name in RATIOS or metric.name.endswith(("_lift", "_lift_local")):
            absolute, relative = 1e-5, 1e-5
        if metric.name == "distance_spread":
            absolute, relative = 1e-4, 1e-5
        np.testing.assert_allclose(
            measured[metric.name], expected[metric.name], rtol=relative, atol=absolute, err_msg=metric.name
        )


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_a_conversation_measures_as_its_eager_weights_do(family: str) -> None:
    rendered = document(talk_window())
    (measurement,) = analyse(network(family).model, [rendered], token_budget=512)
    assert_equals_oracle(network(family), rendered, measurement.heads)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_a_text_measures_as_its_eager_weights_do(family: str) -> None:
    rendered = document(text_window(29))
    (measurement,) = analyse(network(family).model, [rendered], token_budget=512)
    assert_equals_oracle(network(family), rendered, measurement.heads)
    assert all(np.isnan(measurement.document[name]) for name in CONVERSATION_METRIC_NAMES)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_windows_combine_weighted_by_their_defined_rows(family: str) -> None:
    rendered = document(talk_window((4, 9, 2), seed=1), talk_window((3, 5), seed=2, first=3))
    (measurement,) = analyse(network(family).model, [rendered], token_budget=512)
    assert measurement.windows == 2
    assert_equals_oracle(network(family), rendered, measurement.heads)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_a_document_alone_and_among_others_measures_the_same(family: str) -> None:
    others = [document(text_window(n, seed=n)) for n in (3, 61, 17, 40)]
    alone = document(talk_window())
    options = CaptureOptions(tokens=True, layer_embeddings=True)
    (single,) = analyse(network(family).model, [alone], token_budget=512, options=options)
    among = analyse(network(family).model, [*others, alone], token_budget=4096, options=options)[-1]
    for name in single.heads:
        np.testing.assert_allclose(single.heads[name], among.heads[name], rtol=1e-5, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(single.embedding, among.embedding, rtol=1e-5, atol=1e-5)
    assert single.flow is not None
    assert among.flow is not None
    np.testing.assert_allclose(single.flow, among.flow, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_the_captured_network_gives_the_output_of_plain_attention(family: str) -> None:
    pair = network(family)
    ids = torch.from_numpy(np.stack([text_window(40, seed).ids for seed in range(2)]))
    mask = torch.ones_like(ids)
    mask[0, 25:] = 0
    with torch.inference_mode():
        plain = pair.eager(input_ids=ids, attention_mask=mask).last_hidden_state
        captured = pair.model.network(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(captured[mask > 0], plain[mask > 0], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_layer_embeddings_are_means_of_the_layers_hidden_states(family: str) -> None:
    pair = network(family)
    window = text_window(40)
    (measurement,) = analyse(
        pair.model, [document(window)], token_budget=512, options=CaptureOptions(layer_embeddings=True)
    )
    with torch.inference_mode():
        output = pair.eager(input_ids=torch.from_numpy(window.ids)[None], output_hidden_states=True)
    own = torch.from_numpy(~np.asarray(window.special))
    layers = [output.hidden_states[1 + layer][0][own].mean(0) for layer in pair.model.facts.attending_layers]
    assert measurement.layer_embeddings is not None
    np.testing.assert_allclose(measurement.layer_embeddings, torch.stack(layers), rtol=1e-4, atol=2e-5)
