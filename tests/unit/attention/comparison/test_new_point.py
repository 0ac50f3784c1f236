"""A new document stands where t-SNE would put it if nothing else moved."""

import tracemalloc

import numpy as np
import openTSNE
import pytest
from planted import planted_group
from sklearn.decomposition import PCA

from attention.comparison.groups import Floats, Group
from attention.comparison.spaces.maps import COMPONENTS, draw_map
from attention.comparison.spaces.new_point import EXAGGERATION, NEIGHBOURS, place
from attention.comparison.spaces.points import directions

SIZE, DIMENSIONS = 60, 64


def _around(axis, count, random):
    """Embeddings that differ from an axis by noise."""
    centre = np.zeros(DIMENSIONS)
    centre[axis] = 4
    return centre + 0.15 * random.normal(size=(count, DIMENSIONS))


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    random = np.random.default_rng(4)
    planted = [planted_group(name, size=SIZE, dimensions=DIMENSIONS) for name in "abc"]
    for axis, group in enumerate(planted):
        group.embeddings[:] = _around(axis, SIZE, random)
    return planted


@pytest.fixture(scope="module", params=["scikit-learn", "openTSNE"])
def positions(request: pytest.FixtureRequest, groups: list[Group]) -> Floats:
    """The map of the groups, drawn by either; openTSNE's interpolation would take long for so few."""
    if request.param == "scikit-learn":
        drawn = draw_map(groups, "embedding", None, seed=0, limit=1000, perplexity=30)
        return np.array([(point.x, point.y) for point in drawn.points])
    reduced = PCA(COMPONENTS, random_state=0).fit_transform(directions(_all(groups)).astype(np.float64))
    planar = openTSNE.TSNE(initialization="pca", negative_gradient_method="bh", random_state=0)
    return np.array(planar.fit(reduced))


def _placed(positions, embeddings, new):
    """Where the new document stands, and the rows of its neighbours."""
    similarities = directions(embeddings) @ directions(new[None])[0]
    near = np.argsort(-similarities, kind="stable")[:NEIGHBOURS]
    found = place(positions, near, similarities[near].astype(np.float64))
    assert (found.perplexity, found.exaggeration, found.iterations) == (5, 4, 250)
    return np.array([found.x, found.y]), near


def _all(groups):
    return np.concatenate([group.embeddings for group in groups]).astype(np.float32)


def test_a_new_document_stands_where_opentsne_would_put_it() -> None:
    random = np.random.default_rng(1)
    documents = directions(np.concatenate([_around(axis, 61, random) for axis in range(3)]).astype(np.float32))
    new, kept = documents[::61], np.delete(documents, slice(None, None, 61), axis=0)
    planar = openTSNE.TSNE(perplexity=30, initialization="pca", negative_gradient_method="bh", theta=0, random_state=0)
    fitted = planar.fit(kept.astype(np.float64))
    theirs = np.asarray(fitted.transform(new.astype(np.float64), perplexity=5, exaggeration=EXAGGERATION))
    ours = [_placed(np.array(fitted), kept, document)[0] for document in new]
    assert np.ptp(np.asarray(fitted), axis=0).min() > 10
    assert np.abs(ours - theirs).max() < 1e-3


def test_a_document_of_the_map_lands_at_its_own_point(groups: list[Group], positions: Floats) -> None:
    embeddings = _all(groups)
    for row in range(0, len(embeddings), 9):
        at, near = _placed(positions, embeddings, embeddings[row])
        assert near[0] == row
        assert np.linalg.norm(at - positions[row]) < 0.5


def test_a_document_between_two_clusters_lands_in_one_of_them(groups: list[Group], positions: Floats) -> None:
    embeddings = _all(groups)
    centres = positions.reshape(3, SIZE, 2).mean(axis=1)
    gap = np.linalg.norm(centres[0] - centres[1])
    split = set()
    for share in np.linspace(0.47, 0.53, 31):
        between = share * groups[0].embeddings.mean(axis=0) + (1 - share) * groups[1].embeddings.mean(axis=0)
        at, near = _placed(positions, embeddings, between.astype(np.float32))
        of_first = int((near < SIZE).sum())
        if 5 <= of_first <= 10:
            split.add(of_first)
            mean = positions[near].mean(axis=0)
            assert np.linalg.norm(positions - mean, axis=1).min() > 2
            assert np.linalg.norm(positions - at, axis=1).min() < 1
            assert np.linalg.norm(centres[:2] - at, axis=1).min() < gap / 4
    assert len(split) >= 3


def test_placing_again_gives_the_same_numbers(groups: list[Group], positions: Floats) -> None:
    new = _around(2, 1, np.random.default_rng(3))[0].astype(np.float32)
    before = positions.copy()
    (one, _), (other, _) = (_placed(positions, _all(groups), new) for _ in range(2))
    assert one.tobytes() == other.tobytes()
    assert np.array_equal(positions, before)


@pytest.mark.parametrize("left", [1, 2, 3])
def test_with_few_documents_left_it_lands_at_the_nearest(left: int) -> None:
    positions = np.array([[0.0, 0], [30, 0], [0, 30], [-30, 0], [0, -30]])
    found = place(positions, np.array([1, 3, 4])[:left], np.array([0.9, 0.5, 0.4])[:left])
    assert found.perplexity == 1
    assert np.linalg.norm(np.array([found.x, found.y]) - positions[1]) < 0.5


def test_a_map_of_fifty_thousand_takes_a_few_megabytes() -> None:
    positions = np.random.default_rng(0).normal(size=(50_000, 2)) * 40
    near = np.argsort(np.linalg.norm(positions - positions[0], axis=1))[:NEIGHBOURS]
    place(positions, near, np.linspace(1, 0.9, NEIGHBOURS))
    tracemalloc.start()
    found = place(positions, near, np.linspace(1, 0.9, NEIGHBOURS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.linalg.norm(np.array([found.x, found.y]) - positions[0]) < 1
    assert peak < 10 * 2**20
