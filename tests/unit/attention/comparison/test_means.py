"""Means and their intervals."""

import numpy as np
import pytest

from attention.comparison.statistics.generators import generator
from attention.comparison.statistics.means import means


def _means(values: np.ndarray, unit: np.ndarray | None = None, resamples: int = 2000):
    unit = np.arange(len(values)) if unit is None else unit
    return means(values, unit, confidence=0.95, resamples=resamples, random=generator(0, "test"))


def test_the_interval_is_the_bootstrap_t_interval_of_the_textbook():
    x = np.random.default_rng(1).exponential(size=40)
    found = _means(x[:, None], resamples=20_000)
    random, n = np.random.default_rng(2), len(x)
    drawn = x[random.integers(n, size=(20_000, n))]
    t = (drawn.mean(axis=1) - x.mean()) / (drawn.std(axis=1, ddof=1) / np.sqrt(n))
    low, high = x.mean() - np.quantile(t, [0.975, 0.025]) * x.std(ddof=1) / np.sqrt(n)
    assert found.mean[0] == pytest.approx(x.mean())
    assert [found.low[0], found.high[0]] == pytest.approx([low, high], abs=0.03 * (high - low))


def test_whole_clusters_are_resampled():
    random = np.random.default_rng(3)
    cluster = np.repeat(np.arange(20), 10)
    x = random.normal(size=20)[cluster] + 0.1 * random.normal(size=200)
    alone, whole = _means(x[:, None]), _means(x[:, None], cluster)
    of_clusters = _means(x.reshape(20, 10).mean(axis=1)[:, None])
    assert whole.mean[0] == pytest.approx(x.mean())
    assert whole.units[0] == 20
    assert whole.high[0] - whole.low[0] > 2.5 * (alone.high[0] - alone.low[0])
    assert whole.high[0] - whole.low[0] == pytest.approx(of_clusters.high[0] - of_clusters.low[0], rel=0.05)


def test_clusters_of_one_document_each_change_nothing():
    x = np.random.default_rng(4).normal(size=(30, 2))
    assert _means(x).low == pytest.approx(_means(x, np.arange(30)[::-1].copy()).low, rel=0.05)


def test_a_document_without_the_value_is_left_out_of_that_column_alone():
    x = np.random.default_rng(5).normal(size=(30, 2))
    x[:5, 1] = np.nan
    found = _means(x)
    assert found.documents.tolist() == [30, 25]
    assert found.mean.tolist() == pytest.approx([x[:, 0].mean(), x[5:, 1].mean()])


def test_fewer_than_eight_values_have_no_mean():
    x = np.ones((30, 1))
    x[7:] = np.nan
    assert np.isnan(_means(x).mean[0])


def test_a_constant_has_an_interval_of_no_width():
    found = _means(np.full((12, 1), 3.5))
    assert (found.low[0], found.mean[0], found.high[0]) == (3.5, 3.5, 3.5)
