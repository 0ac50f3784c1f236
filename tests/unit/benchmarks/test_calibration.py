"""The comparisons keep their promises on populations whose truth is known: a small part of the whole calibration."""

import numpy as np
import pytest

from benchmarks.calibration import documents, no_difference, planted_shift


def test_the_population_has_the_mean_and_variance_it_is_judged_by() -> None:
    values = documents(20_000, 2, 3, np.random.default_rng(0))
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.var() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(values[:, 0, 0], values[:, 1, 2])[0, 1] == pytest.approx(0.5, abs=0.05)


def test_alarms_where_nothing_is_are_rare_and_intervals_cover() -> None:
    rates, coverage = no_difference(12, 60)
    assert rates["overall, pairs"] <= 3 / 12
    assert rates["head, Kruskal-Wallis"] <= 3 / 12
    assert 0.85 <= coverage <= 1


def test_a_planted_shift_is_found() -> None:
    whole, each, false_rate = planted_shift(4, 60, 1.2)
    assert whole >= 0.75
    assert each >= 0.9
    assert false_rate <= 0.25


@pytest.mark.slow
def test_the_whole_calibration() -> None:
    rates, coverage = no_difference(400, 60)
    assert max(rates.values()) <= 0.0725, rates  # 5% and the binomial error of 400 runs
    assert 0.93 <= coverage <= 0.97
    whole, _, false_rate = planted_shift(400, 60, 1.2)
    assert whole >= 0.9
    assert false_rate <= 0.06
