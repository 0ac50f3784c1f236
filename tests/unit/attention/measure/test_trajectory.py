"""How metrics move along a conversation: per turn values, thirds, and a slope whose interval keeps its word."""

import time

import numpy as np
import pytest
from capture_networks import talk_window, twin
from capture_oracle import rows_of, seen_by_eager

from attention.definitions import METRIC_NAMES, TURN_METRIC_NAMES
from attention.measure.analysis import analyse
from attention.measure.trajectory import trajectory
from attention.reductions.summed import ROW_MEANS
from attention.text.documents import Rendered


def dense_interval(value: np.ndarray, r: float) -> tuple[float, float]:
    """The same standard error and degrees of freedom from whole matrices, for a given correlation."""
    n = len(value)
    x = np.arange(n) - (n - 1) / 2
    design = np.stack([np.ones(n), x], 1)
    left = np.eye(n) - design @ np.linalg.pinv(design)
    correlation = r ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    trace = np.trace(left @ correlation)
    spread = (left @ value) @ (left @ value) / trace
    freedom = trace**2 / np.trace(left @ correlation @ left @ correlation)
    return float(np.sqrt(spread * (x @ correlation @ x)) / (x @ x)), float(freedom)


def autoregressive(conversations: int, turns: int, r: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((conversations, turns + 100))
    for turn in range(1, turns + 100):
        noise[:, turn] += r * noise[:, turn - 1]
    return noise[:, 100:]


def test_thirds_are_means_weighted_by_tokens_without_what_is_undefined() -> None:
    found = trajectory([1.0, 3.0, None, 5.0, 2.0, 8.0], [1, 3, 7, 4, 9, 1])
    assert found.early == pytest.approx((1 + 9) / 4)
    assert found.middle == 5.0
    assert found.late == pytest.approx((18 + 8) / 10)
    assert (found.slope, found.low, found.high) == (None, None, None)  # five turns have a value


def test_a_conversation_too_short_for_a_third_has_none() -> None:
    found = trajectory([4.0], [2])
    assert (found.early, found.middle, found.late, found.slope) == (4.0, None, None, None)
    assert trajectory([], []).early is None
    assert trajectory([None] * 9, [3] * 9).middle is None


def test_a_straight_line_has_its_slope_exactly_and_nothing_is_a_slope_of_0() -> None:
    line = trajectory([2.0 + 0.5 * turn for turn in range(8)], [1] * 8)
    assert (line.slope, line.low, line.high) == pytest.approx((0.5, 0.5, 0.5))
    flat = trajectory([0.0] * 8, [1] * 8)
    assert (flat.slope, flat.low, flat.high) == (0.0, 0.0, 0.0)


def test_turns_without_a_value_keep_their_place_on_the_line() -> None:
    values = [None if turn in (0, 3, 4) else 7.0 - turn for turn in range(10)]
    assert trajectory(values, [5] * 10).slope == pytest.approx(-1.0)


def test_the_interval_is_that_of_the_whole_matrices() -> None:
    from scipy import stats

    value = autoregressive(1, 30, 0.6, seed=4)[0] + 0.2 * np.arange(30)
    found = trajectory(value, np.ones(30, np.int64))
    assert found.slope is not None
    assert found.high is not None
    x = np.arange(30) - 14.5
    e = value - value.mean() - found.slope * x
    r = (e[1:] @ e[:-1]) / (e @ e)
    error, freedom = dense_interval(value, r + (2 + 4 * r) / 30)
    assert found.high - found.slope == pytest.approx(stats.t.ppf(0.975, freedom) * error, rel=1e-9)


@pytest.mark.parametrize(
    ("turns", "r", "least"), [(6, 0.0, 0.93), (12, 0.3, 0.9), (40, 0.0, 0.93), (40, 0.5, 0.9), (150, 0.6, 0.92)]
)
def test_the_interval_holds_the_slope_as_often_as_it_says_though_neighbours_are_alike(
    turns: int, r: float, least: float
) -> None:
    rows = autoregressive(1_000, turns, r, seed=turns) + 0.1 * np.arange(turns)
    found = [trajectory(row, np.ones(turns, np.int64)) for row in rows]
    held = np.mean([each.low <= 0.1 <= each.high for each in found])  # type: ignore[operator]
    assert least <= held <= 0.985


def test_ten_thousand_turns_take_a_moment() -> None:
    began = time.perf_counter()
    trajectory(autoregressive(1, 10_000, 0.5)[0], np.ones(10_000, np.int64))
    assert time.perf_counter() - began < 30


@pytest.mark.parametrize("family", ["bert", "llama", "mistral"])
def test_each_turns_metrics_are_the_means_over_its_rows_and_heads_in_every_window(family: str) -> None:
    windows = (talk_window((4, 5, 3), seed=1), talk_window((6, 2), seed=2, first=2))  # turn 2 stands in both
    network = twin(family)
    rendered = Rendered(windows, 4, ("Ana", "Bo"), sum(map(len, windows)), False)
    (measured,) = analyse(network.model, [rendered], token_budget=999)
    assert measured.turn_tokens is not None
    assert measured.turn_tokens.tolist() == [4, 5, 9, 2]
    assert measured.turn_metrics is not None
    assert tuple(measured.turn_metrics) == TURN_METRIC_NAMES == ROW_MEANS
    found: dict[str, list[list[list[float]]]] = {name: [[[] for _ in range(2)] for _ in range(4)] for name in ROW_MEANS}
    for window in windows:
        for layer, a in enumerate(network.eager_weights(window)):
            oracle = rows_of(a, seen_by_eager(a), window)
            for name in ROW_MEANS:
                for head in range(len(a)):
                    for row, value in zip(oracle.rows[name][head], oracle.values[name][head], strict=True):
                        if window.turn[row] >= 0:
                            found[name][int(window.turn[row])][layer].append(value)
    for name in ROW_MEANS:
        expected = [np.mean([np.mean(rows) for rows in turn if rows]) if any(turn) else np.nan for turn in found[name]]
        np.testing.assert_allclose(measured.turn_metrics[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_turns_of_a_document_do_not_depend_on_its_neighbours_in_the_batch() -> None:
    network = twin("llama")
    one = Rendered((talk_window((4, 5, 3), seed=1),), 3, ("Ana", "Bo"), 0, False)
    other = Rendered((talk_window((9, 1, 2, 2), seed=5),), 4, ("Ana", "Bo"), 0, False)
    (alone,) = analyse(network.model, [one], token_budget=999)
    _, together = analyse(network.model, [other, one], token_budget=999)
    for name in TURN_METRIC_NAMES:
        assert alone.turn_metrics is not None
        assert together.turn_metrics is not None
        np.testing.assert_allclose(together.turn_metrics[name], alone.turn_metrics[name], rtol=1e-5, atol=1e-6)
    assert set(TURN_METRIC_NAMES) < set(METRIC_NAMES)
