"""Separability beside chance."""

import numpy as np
import pytest
from planted import planted_group
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score

from attention.comparison.prepared import prepared
from attention.comparison.spaces import classifier
from attention.comparison.spaces.points import directions, points
from attention.comparison.spaces.separability import (
    Sample,
    _components,
    _components_of,
    balanced_accuracies,
    neighbour_purities,
    separability,
    silhouettes,
)


def _sample(groups, permutations=200, size=2000):
    return Sample([prepared(group) for group in groups], seed=0, size=size, permutations=permutations)


def test_the_classifier_is_scikit_learns_logistic_regression():
    random = np.random.default_rng(0)
    n, d, K = 120, 6, 3
    features, _ = np.linalg.qr(random.normal(size=(n, d + 1)) - 0)
    features = (features - features.mean(axis=0))[:, :d]
    features, _ = np.linalg.qr(features)
    features *= np.array([30, 20, 10, 8, 5, 1])
    labels = np.stack([np.argmax(features[:, :K] + random.normal(size=(n, K)), axis=1), random.integers(K, size=n)])
    coefficients, intercepts = classifier.fit(features, labels, K)
    for row in range(2):
        theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(features, labels[row])
        ours = coefficients[:, :, row].T
        assert ours - ours.mean(axis=0) == pytest.approx(theirs.coef_ - theirs.coef_.mean(axis=0), abs=0.02)
        predicted = classifier.predict(features, coefficients, intercepts)[row]
        assert (predicted == theirs.predict(features)).mean() > 0.99


def test_silhouettes_are_scikit_learns():
    groups = [planted_group(name, shift=shift) for name, shift in [("a", 0), ("b", 0.5), ("c", 0)]]
    sample = _sample(groups)
    unit = directions(points(groups, "embedding", None, sample.rows))
    distance = np.maximum(1 - unit @ unit.T, 0)
    np.fill_diagonal(distance, 0)
    ours = silhouettes(distance, sample.labellings[:4], 3)
    theirs = [silhouette_score(distance, labels, metric="precomputed") for labels in sample.labellings[:4]]
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_separate_groups_are_found_and_chance_stands_at_one_over_k():
    found = separability(
        _sample([planted_group(name, size=40, shift=s) for name, s in [("a", 0), ("b", 2)]]), "embedding", None
    )
    assert found.accuracy > 0.9
    assert found.accuracy_permuted.p == pytest.approx(1 / 201)
    assert found.accuracy_permuted.mean == pytest.approx(0.5, abs=0.03)
    assert found.neighbour_purity > 0.9
    assert found.silhouette > found.silhouette_permuted.p95


def test_where_nothing_separates_p_is_seldom_small():
    small = 0
    for run in range(40):
        sample = _sample([planted_group(name, size=20, seed=run, metrics=["distance"]) for name in "ab"])
        values = balanced_accuracies(points(sample.groups, "embedding", None, sample.rows), sample)
        small += (1 + (values[1:] >= values[0]).sum()) / 201 < 0.05
    assert small <= 6  # 2 expected of 40


def test_near_copies_within_a_cluster_do_not_count_as_neighbours():
    groups = [planted_group(name, size=24, clusters=8, seed=3) for name in "ab"]
    random = np.random.default_rng(0)
    for group in groups:
        of_cluster = random.normal(size=(8, 8))
        group.embeddings = of_cluster[np.arange(24) % 8] + 0.01 * random.normal(size=(24, 8))
    sample = _sample(groups)
    unit = directions(points(groups, "embedding", None, sample.rows))
    purity = neighbour_purities(1 - unit @ unit.T, sample, 2)
    assert purity[0] < 0.8  # by documents it would be 1: the two nearest are of the same cluster
    for fold in range(sample.folds):
        inside, outside = set(sample.unit[sample.fold == fold]), set(sample.unit[sample.fold != fold])
        assert not inside & outside


def test_the_sample_is_stated_and_keeps_every_group():
    groups = [planted_group("a", size=200, metrics=["distance"]), planted_group("b", size=20, metrics=["distance"])]
    sample = _sample(groups, size=110)
    assert [len(rows) for rows in sample.rows] == [100, 10]


def test_wide_spaces_have_the_components_of_narrow_ones():
    random = np.random.default_rng(0)
    values = (random.normal(size=(120, 600)) * np.linspace(3, 0.1, 600) + 5).astype(np.float32)
    training = random.random(120) < 0.8
    centred = (values - values.mean(axis=0, dtype=np.float64)).astype(np.float32)
    by_covariance = _components(centred, training)
    by_products = _components_of((centred @ centred.T).astype(np.float64), training, 0)
    assert np.abs(by_products) == pytest.approx(np.abs(by_covariance), abs=1e-3)


@pytest.mark.parametrize("rank", [0, 3])
def test_wide_spaces_of_few_directions_are_measured(rank: int):
    random = np.random.default_rng(1)
    groups = [planted_group(name, size=20, metrics=["distance"]) for name in "ab"]
    basis = random.normal(size=(rank, 700))
    for group, shift in zip(groups, (0, 4), strict=True):
        group.embeddings = ((random.normal(size=(20, rank)) + shift) @ basis + 1).astype(np.float32)
    found = separability(_sample(groups), "embedding", None)
    assert found.accuracy == pytest.approx(1.0 if rank else 0.5, abs=0.05)
