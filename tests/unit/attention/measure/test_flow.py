"""Flow between speakers and towards first turns follows from the flow between turns."""

import numpy as np
import pytest
from capture_networks import talk_window, twin

from attention.measure.analysis import Measurement, analyse
from attention.measure.flow import goal_flow, speaker_flow
from attention.text.documents import Rendered


def measured(family: str) -> tuple[Measurement, Rendered]:
    windows = (talk_window((4, 5, 3, 2), speakers=3, seed=1), talk_window((6, 2), speakers=3, seed=2, first=4))
    rendered = Rendered(windows, 7, ("Ana", "Bo", "Cy", "Di"), sum(map(len, windows)), True)
    (found,) = analyse(twin(family).model, [rendered], token_budget=999)
    return found, rendered


@pytest.mark.parametrize("family", ["bert", "llama", "mistral", "gpt2", "qwen3", "gemma2"])
def test_speakers_attend_as_their_tokens_do_and_rows_sum_to_one(family: str) -> None:
    found, rendered = measured(family)
    assert found.flow is not None
    assert found.turn_speakers is not None
    assert found.turn_tokens is not None
    assert found.turn_speakers.tolist() == [0, 1, 2, 0, 1, 2, -1]  # the last turn was not read
    between = speaker_flow(found.flow, found.turn_speakers, found.turn_tokens, 4)
    mass: dict[tuple[int, int, int], list[float]] = {}
    for window in rendered.windows:
        for layer, weights in enumerate(twin(family).eager_weights(window)):
            real = weights / weights.sum(-1, keepdims=True)
            for row in np.flatnonzero(window.turn >= 0):
                for column in range(-1, 3):
                    on = real[:, row, window.speaker == column].sum(-1).mean()
                    mass.setdefault((layer, int(window.speaker[row]), column + 1), []).append(float(on))
    for (layer, speaker, column), rows in mass.items():
        assert between[layer, speaker, column] == pytest.approx(np.mean(rows), abs=1e-5)
    assert np.abs(between[:, :3, :4].sum(-1) - 1).max() < 1e-5
    assert np.isnan(between[:, 3]).all()
    assert np.isnan(between[:, :, 4]).all()


def test_speakers_who_never_share_a_window_have_no_flow_between_them() -> None:
    flow = np.array([[[0.4, 0.6, np.nan], [0.1, np.nan, 0.9]]], np.float32)
    between = speaker_flow(flow, np.array([0, 1], np.int32), np.array([5, 5]), 2)
    np.testing.assert_allclose(between, flow, atol=1e-7)


def test_longer_turns_weigh_more_in_their_speakers_row() -> None:
    flow = np.array([[[0.2, 0.8, 0.0], [0.6, 0.3, 0.1]]], np.float32)
    between = speaker_flow(flow, np.array([0, 0], np.int32), np.array([3, 1]), 1)
    np.testing.assert_allclose(between, [[[0.3, 0.7]]], atol=1e-6)


def test_goal_flow_is_the_later_turns_column_of_each_speakers_first_turn() -> None:
    found, _ = measured("llama")
    assert found.flow is not None
    assert found.turn_speakers is not None
    goal = goal_flow(found.flow, found.turn_speakers, 4)
    assert goal.shape == (2, 7, 4)
    np.testing.assert_array_equal(goal[:, 1:4, 0], found.flow[:, 1:4, 1])
    np.testing.assert_array_equal(goal[:, 2:4, 1], found.flow[:, 2:4, 2])
    np.testing.assert_array_equal(goal[:, 3, 2], found.flow[:, 3, 3])
    assert np.isnan(goal[:, 0]).all()  # nobody's turn lies before
    assert np.isnan(goal[:, 2, 2]).all()  # a first turn itself
    assert np.isnan(goal[:, 4:]).all()  # the window after holds no first turn
    assert np.isnan(goal[:, :, 3]).all()  # nothing was read of this speaker
