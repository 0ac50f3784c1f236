"""How well a space keeps the groups apart, each measure beside what chance alone gives.

Silhouette by cosine (Rousseeuw 1987), class-averaged purity of nearest neighbours, and balanced accuracy of logistic
regression on 50 principal components fitted inside the folds. Chance is the same measure after the labels of whole
units are permuted; for the accuracy they are permuted within each fold, so that every labelling has folds as even as
the true one.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from attention.comparison.groups import Floats, Group
from attention.comparison.parts.spaces import Chance, Separability, Space
from attention.comparison.prepared import PreparedGroup, joint_units
from attention.comparison.spaces import classifier
from attention.comparison.spaces.points import directions, points
from attention.comparison.statistics.generators import generator

FOLDS: Final = 5
COMPONENTS: Final = 50
NEIGHBOURS: Final = 10
COVARIANCES: Final = 512
"""Dimensions up to which components come from the covariance of the dimensions, above from the rows' products."""


class Sample:
    """The seeded sample of documents, its folds and its permuted labellings: the same for every space and layer."""

    def __init__(self, prepared: Sequence[PreparedGroup], *, seed: int, size: int, permutations: int) -> None:
        self.groups = [one.group for one in prepared]
        self.seed = seed
        self.rows = _sampled(self.groups, size, seed)
        self.label = np.repeat(np.arange(len(prepared)), [len(rows) for rows in self.rows])  # (n,)
        joint = zip(joint_units(prepared), self.rows, strict=True)
        _, self.unit = np.unique(np.concatenate([unit[rows] for unit, rows in joint]), return_inverse=True)
        self.clustered = int(self.unit.max()) + 1 < len(self.unit)
        _, first = np.unique(self.unit, return_index=True)
        self.label_of_unit = self.label[first]
        self.folds, self.fold = self._assign_folds()
        self.labellings = self._permuted(np.zeros(len(first), dtype=np.intp), permutations, "labels")  # (1 + P, n)
        fold_of_unit = self.fold[first]
        self.labellings_in_folds = self._permuted(fold_of_unit, permutations, "labels in folds")

    @property
    def classes(self) -> int:
        """Number of groups."""
        return len(self.groups)

    def _assign_folds(self) -> tuple[int, NDArray[np.intp]]:
        smallest = int(np.bincount(self.label_of_unit, minlength=self.classes).min())
        folds = min(FOLDS, smallest)
        assigned = np.zeros(len(self.label), dtype=np.intp)
        if folds < 2:
            return 0, assigned
        state = int(generator(self.seed, "folds").integers(2**31))
        splitter: Any = StratifiedGroupKFold if self.clustered else StratifiedKFold
        whole = self.unit if self.clustered else None
        splits = splitter(folds, shuffle=True, random_state=state).split(self.label[:, None], self.label, whole)
        for number, (_, held_out) in enumerate(splits):
            assigned[held_out] = number
        return folds, assigned

    def _permuted(self, block: NDArray[np.intp], permutations: int, purpose: str) -> NDArray[np.intp]:
        """The true labelling, then labellings in which units change labels inside their block: (1 + P, n)."""
        random = generator(self.seed, purpose)
        drawn = np.tile(self.label_of_unit, (1 + permutations, 1))
        for number in np.unique(block):
            members = np.flatnonzero(block == number)
            drawn[1:, members] = random.permuted(drawn[1:, members], axis=1)
        labellings: NDArray[np.intp] = drawn[:, self.unit]
        return labellings


def _sampled(groups: list[Group], size: int, seed: int) -> list[NDArray[np.intp]]:
    """Positions of the sampled documents of every group, each group in proportion to its size but 8 at least."""
    total = sum(group.size for group in groups)
    if total <= size:
        return [np.arange(group.size) for group in groups]
    chosen = []
    for group in groups:
        count = min(group.size, max(8, size * group.size // total))
        chosen.append(np.sort(generator(seed, "sample", group.name).choice(group.size, count, replace=False)))
    return chosen


def separability(sample: Sample, space: Space, layer: int | None) -> Separability:
    """Measure one space. Groups must have it (`spaces.available`)."""
    values = points(sample.groups, space, layer, sample.rows)
    unit = directions(values)
    distance = 1 - unit @ unit.T  # (n, n) cosine distance
    np.maximum(distance, 0, out=distance)
    smallest = int(np.bincount(sample.label).min())
    k = min(NEIGHBOURS, smallest - 1)
    silhouette, silhouette_permuted = _beside_chance(silhouettes(distance, sample.labellings, sample.classes))
    purity, purity_permuted = _beside_chance(neighbour_purities(distance, sample, k))
    accuracy, accuracy_permuted = _beside_chance(balanced_accuracies(values, sample)) if sample.folds else (None, None)
    return Separability(
        space=space,
        layer=layer,
        documents=len(values),
        dimensions=values.shape[1],
        neighbours=k,
        folds=sample.folds,
        silhouette=silhouette,
        silhouette_permuted=silhouette_permuted,
        neighbour_purity=purity,
        neighbour_purity_permuted=purity_permuted,
        accuracy=accuracy,
        accuracy_permuted=accuracy_permuted,
    )


def _beside_chance(values: Floats) -> tuple[float, Chance]:
    """The first value, the true labelling's, and the others, which are chance."""
    chance = values[1:]
    p = (1 + int((chance >= values[0] - 1e-12).sum())) / (1 + len(chance))
    return float(values[0]), Chance(mean=float(chance.mean()), p95=float(np.quantile(chance, 0.95)), p=p)


def silhouettes(distance: NDArray[np.float32], labellings: NDArray[np.intp], classes: int) -> Floats:
    """Mean silhouette of (n, n) distances under each of (P, n) labellings: (P,).

    As scikit-learn's `silhouette_score` with a precomputed metric.
    """
    P, n = labellings.shape
    result = np.empty(P)
    distance = distance.copy()
    np.fill_diagonal(distance, 0)
    step = max(1, 40_000_000 // (n * classes))
    for start in range(0, P, step):
        labels = labellings[start : start + step]
        member = labels.T[:, None, :] == np.arange(classes)[:, None]  # (n, K, p)
        sums = (distance @ member.reshape(n, -1).astype(np.float32)).reshape(member.shape)
        size = member.sum(axis=0).astype(np.float32)  # (K, p)
        own_size = np.take_along_axis(size, labels.T, axis=0)  # (n, p)
        own = np.take_along_axis(sums, labels.T[:, None, :], axis=1)[:, 0] / np.maximum(own_size - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            others = np.where(member | (size == 0), np.inf, sums / size).min(axis=1)
            value = (others - own) / np.maximum(others, own)
        value = np.where((own_size > 1) & np.isfinite(value), value, 0)
        result[start : start + step] = value.mean(axis=0, dtype=np.float64)
    return result


def neighbour_purities(distance: NDArray[np.float32], sample: Sample, k: int) -> Floats:
    """Share of the k nearest documents that are of the own group, averaged within groups, then over them: (1 + P,).

    A document's own cluster is passed over: being near to itself says nothing about its domain.
    """
    far = np.where(sample.unit[:, None] == sample.unit, np.float32(np.inf), distance)
    nearest = np.argsort(far, axis=1, kind="stable")[:, :k]  # (n, k)
    valid = np.isfinite(np.take_along_axis(far, nearest, axis=1))
    result = np.empty(len(sample.labellings))
    for row, labels in enumerate(sample.labellings):
        same = (labels[nearest] == labels[:, None]) & valid
        share = same.sum(axis=1) / np.maximum(valid.sum(axis=1), 1)
        total = np.bincount(labels, weights=share, minlength=sample.classes)
        result[row] = (total / np.bincount(labels, minlength=sample.classes)).mean()
    return result


def balanced_accuracies(values: NDArray[np.float32], sample: Sample) -> Floats:
    """Balanced accuracy over all held-out documents under each labelling: (1 + P,)."""
    labellings = sample.labellings_in_folds
    predicted = np.empty_like(labellings)
    centred = (values - values.mean(axis=0, dtype=np.float64)).astype(np.float32)
    products = None
    if values.shape[1] > COVARIANCES:
        products = (centred @ centred.T).astype(np.float64)  # (n, n)
    for fold in range(sample.folds):
        held_out = sample.fold == fold
        scores = (
            _components(centred, ~held_out) if products is None else _components_of(products, ~held_out, sample.seed)
        )
        # The penalty of the regression has a meaning only beside the features' size: mean variance 1 in every space.
        scale = np.sqrt((scores[~held_out] ** 2).mean())
        scores /= scale if scale > 0 else 1.0
        fitted = classifier.fit(scores[~held_out], labellings[:, ~held_out], sample.classes)
        predicted[:, held_out] = classifier.predict(scores[held_out], *fitted)
    right = predicted == labellings
    recalls = [(right & (labellings == c)).sum(axis=1) / (labellings == c).sum(axis=1) for c in range(sample.classes)]
    balanced: Floats = np.mean(recalls, axis=0)
    return balanced


def _components(values: NDArray[np.float32], training: NDArray[np.bool_]) -> Floats:
    """Scores of all rows on 50 principal components of the training rows: (n, c)."""
    count = min(COMPONENTS, int(training.sum()) - 1, values.shape[1])
    components = PCA(count, svd_solver="covariance_eigh").fit(values[training].astype(np.float64))
    scores: Floats = components.transform(values.astype(np.float64))
    return scores


def _components_of(products: Floats, training: NDArray[np.bool_], seed: int) -> Floats:
    """The same from the rows' inner products (n, n), where they have more dimensions than are worth a covariance.

    The components of m rows are the eigenvectors of their centred inner products (Schölkopf, Smola & Müller 1998).
    """
    among = products[np.ix_(training, training)]
    means = among.mean(axis=0)
    among = among - means - means[:, None] + means.mean()  # (m, m)
    count = min(COMPONENTS, len(among) - 1)
    if not np.trace(among) > 0:
        return np.zeros((len(products), 1))  # every row is the same
    start = generator(seed, "components").standard_normal(len(among))
    variances, vectors = eigsh(among, k=count, v0=start, tol=1e-6)  # the smallest of these first
    across = products[:, training]
    across = across - across.mean(axis=1, keepdims=True) - means + means.mean()  # (n, m)
    present = variances > 1e-9 * variances[-1]
    scores: Floats = across @ (vectors[:, present] / np.sqrt(variances[present]))
    return scores[:, ::-1]
