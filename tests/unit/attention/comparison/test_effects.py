"""Cliff's delta, its interval, and the tests of two groups."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy import stats

from attention.comparison.statistics.effects import BRUNNER_MUNZEL, effects
from attention.comparison.statistics.exact import EXACT, WHOLE_CLUSTERS
from attention.comparison.statistics.generators import generator


def _effects(a, b, unit_a=None, unit_b=None, permutations=9999):
    unit_a = np.arange(len(a)) if unit_a is None else unit_a
    unit_b = np.arange(len(b)) if unit_b is None else unit_b
    random = generator(0, "test")
    return effects(a, b, unit_a, unit_b, confidence=0.95, permutations=permutations, random=random)


@pytest.mark.parametrize("tied", [False, True])
def test_delta_counts_all_pairs(tied: bool):
    random = np.random.default_rng(1)
    a, b = random.normal(0.3, 1, (30, 4)), random.normal(0, 2, (25, 4))
    if tied:
        a, b = a.round(), b.round()
    counted = np.sign(a[:, None] - b[None]).mean(axis=(0, 1))
    assert _effects(a, b).delta == pytest.approx(counted)


@pytest.mark.parametrize("tied", [False, True])
def test_large_groups_have_scipys_brunner_munzel_p(tied: bool):
    random = np.random.default_rng(2)
    a, b = random.normal(0.5, 1, (40, 6)), random.normal(0, 3, (25, 6))
    if tied:
        a, b = a.round(1), b.round(1)
    found = _effects(a, b)
    assert found.p == pytest.approx(stats.brunnermunzel(a, b, axis=0).pvalue)
    assert set(found.test) == {BRUNNER_MUNZEL}


def test_small_groups_have_the_exact_p_of_the_rank_sum():
    random = np.random.default_rng(3)
    a, b = random.normal(0.5, 1, (9, 5)), random.normal(0, 1, (12, 5))
    found = _effects(a, b)
    assert found.p == pytest.approx(stats.mannwhitneyu(a, b, axis=0, method="exact").pvalue)
    assert set(found.test) == {EXACT}


def test_the_exact_p_counts_ties_as_a_full_enumeration_does():
    random = np.random.default_rng(4)
    a, b = random.integers(0, 4, (8, 1)).astype(float), random.integers(1, 5, (8, 1)).astype(float)
    ranks = stats.rankdata(np.concatenate([a, b]))
    sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(16), 8)])
    expected = min(1, 2 * min((sums <= ranks[:8].sum()).mean(), (sums >= ranks[:8].sum()).mean()))
    assert _effects(a, b).p[0] == pytest.approx(expected)


def test_groups_that_do_not_overlap_keep_an_interval_and_an_exact_p():
    for size in (10, 30):
        a, b = np.arange(size)[:, None] + 100.0, np.arange(size)[:, None] * 1.0
        found = _effects(a, b)
        assert found.delta[0] == 1
        assert found.high[0] == 1
        assert 0.5 < found.low[0] < 0.99
        assert found.p[0] == pytest.approx(2 / comb(2 * size, size))


def test_the_interval_turns_round_with_the_groups():
    random = np.random.default_rng(5)
    a, b = random.normal(0.5, 1, (40, 3)), random.normal(0, 1, (30, 3))
    one, other = _effects(a, b), _effects(b, a)
    assert one.low == pytest.approx(-other.high, abs=1e-9)
    assert one.p == pytest.approx(other.p)


def test_a_single_value_throughout_is_not_tested():
    found = _effects(np.zeros((30, 1)), np.zeros((30, 1)))
    assert found.delta[0] == 0
    assert np.isnan(found.p[0])


def test_a_metric_that_one_group_lacks_is_empty():
    found = _effects(np.full((30, 1), np.nan), np.zeros((30, 1)))
    assert np.isnan([found.delta[0], found.low[0], found.p[0]]).all()


def test_documents_of_few_clusters_do_not_pass_for_many_documents():
    random = np.random.default_rng(6)
    cluster = np.repeat(np.arange(10), 20)
    passed = {"documents": 0, "clusters": 0}
    for _ in range(60):
        a, b = (random.normal(size=10)[cluster][:, None] + 0.3 * random.normal(size=(200, 1)) for _ in range(2))
        whole = _effects(a, b, cluster, cluster, permutations=999)
        assert whole.test[0] == WHOLE_CLUSTERS
        passed["clusters"] += int(whole.p[0] < 0.05)
        passed["documents"] += int(_effects(a, b).p[0] < 0.05)
    assert passed["documents"] > 30
    assert passed["clusters"] <= 8  # 60 runs at 5%: 3 expected, above 8 with a chance of 1%


def test_many_clusters_are_tested_by_brunner_munzel_over_clusters():
    random = np.random.default_rng(7)
    cluster = np.repeat(np.arange(40), 5)
    p = []
    for _ in range(200):
        a, b = (random.normal(size=40)[cluster][:, None] + 0.3 * random.normal(size=(200, 1)) for _ in range(2))
        p.append(_effects(a, b, cluster, cluster).p[0])
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.10
