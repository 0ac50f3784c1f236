"""Selectivity of heads."""

import numpy as np
import pytest
from planted import planted_group
from scipy import stats

from attention.comparison.prepared import prepared
from attention.comparison.statistics.adjustment import adjusted
from attention.comparison.statistics.heads import head_statistics


def _tests(groups, metric="distance"):
    return head_statistics([prepared(group) for group in groups], metric, seed=0, permutations=1000)


def test_each_head_has_scipys_kruskal_wallis():
    groups = [
        planted_group(name, size=size, shift=shift) for name, size, shift in [("a", 12, 0), ("b", 20, 0.4), ("c", 9, 0)]
    ]
    groups[0].heads["distance"][:, 0, 0] = groups[0].heads["distance"][:, 0, 0].round()
    groups[1].heads["distance"][:, 0, 0] = groups[1].heads["distance"][:, 0, 0].round()
    found = _tests(groups)
    for layer in range(2):
        for head in range(3):
            H, p = stats.kruskal(*(group.heads["distance"][:, layer, head] for group in groups))
            assert found.epsilon_squared[layer, head] == pytest.approx(H / 40, rel=1e-4)
            assert found.p[layer, head] == pytest.approx(p, rel=1e-4)


def test_planted_heads_are_found_and_others_are_not():
    planted = [("distance", 0, 1), ("distance", 1, 2)]
    groups = [planted_group("a", size=60), planted_group("b", size=60, shift=1.5, shifted_heads=planted)]
    found = _tests(groups)
    p, size = adjusted(found.p)
    assert size == 6
    for values in (p, found.p_familywise):
        assert np.argwhere(values < 0.05).tolist() == [[0, 1], [1, 2]]
        assert np.sort(values, axis=None)[2] > 0.1


def test_familywise_p_is_uniform_at_most_where_nothing_differs():
    smallest = [
        _tests(
            [planted_group(name, size=15, layers=3, heads=8, seed=run, metrics=["distance"]) for name in "ab"]
        ).p_familywise.min()
        for run in range(60)
    ]
    assert np.mean(np.array(smallest) < 0.05) <= 0.15  # 5% promised; 15% of 60 runs has a chance below 0.2%


def test_a_metric_of_one_group_alone_is_not_tested():
    groups = [planted_group("talk"), planted_group("text", conversation=False)]
    assert np.isnan(_tests(groups, "cross_turn").p).all()


def test_clusters_are_the_unit_of_heads():
    p = [
        _tests([planted_group(name, size=200, clusters=20, seed=run, metrics=["distance"]) for name in "ab"]).p.min()
        for run in range(40)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.35  # six heads that share their clusters; Kruskal-Wallis would give nearly 1
