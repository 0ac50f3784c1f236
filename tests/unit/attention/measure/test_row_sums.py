"""Sums of a pass are the same however many layers' rows are kept before they are made, and under several masks."""

from dataclasses import fields

import numpy as np
import pytest
from capture_networks import talk_window, text_window, twin

from attention.measure import row_sums
from attention.measure.capture import CaptureOptions, WindowMeasure, capture

EVERYTHING = CaptureOptions(flow_heads=True, tokens=True, layer_embeddings=True)
WINDOWS = [talk_window((4, 5, 3), speakers=2), text_window(30), talk_window((2, 2, 2, 2), speakers=3, seed=4)]


def measured(family: str) -> list[WindowMeasure]:
    by_turns = {"layer_types": [("sliding_attention", "full_attention")[layer % 2] for layer in range(5)]}
    changes = {"num_hidden_layers": 5} | (by_turns if family == "gemma2" else {})
    return list(capture(twin(family, **changes).model, WINDOWS, EVERYTHING))


@pytest.mark.parametrize("at_once", [2, 3, 9])
@pytest.mark.parametrize("family", ["llama", "gemma2"])  # gemma2 has two masks by turns
def test_layers_that_are_kept_together_give_what_each_gives_alone(
    family: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = measured(family)
    monkeypatch.setattr(row_sums.SumsCollector, "_layers_at_once", lambda _self, _call: at_once)
    together = measured(family)
    for one, other in zip(one_by_one, together, strict=True):
        np.testing.assert_array_equal(one.sums.total, other.sums.total)
        np.testing.assert_array_equal(one.sums.count, other.sums.count)
        for field in fields(WindowMeasure)[1:]:
            first, second = getattr(one, field.name), getattr(other, field.name)
            assert (first is None) == (second is None), field.name
            if first is not None:
                np.testing.assert_array_equal(first, second, field.name)


def test_a_pass_is_a_sequence_of_its_windows() -> None:
    found = capture(twin("bert").model, WINDOWS)
    assert len(found) == 3
    assert found[-1].own_tokens == list(found)[2].own_tokens
    assert [each.own_tokens for each in found[:2]] == [each.own_tokens for each in list(found)[:2]]
    with pytest.raises(IndexError):
        found[3]
