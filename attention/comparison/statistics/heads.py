"""Which heads tell the groups apart: Kruskal-Wallis on each head, its epsilon squared, and a familywise check.

Epsilon squared is H / (n - 1), the share of the ranks' variance that lies between groups. The familywise check
permutes the group labels of whole units and keeps the largest H over all heads of the metric (Westfall & Young's
max-statistic). With clusters the p of a head is Welch's F on ranks with variances over whole clusters, since H takes
documents for independent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from attention.comparison.groups import MINIMUM_DOCUMENTS, Array, Floats, Group, blocks_of_columns
from attention.comparison.prepared import PreparedGroup, joint_units
from attention.comparison.statistics.generators import generator
from attention.comparison.statistics.ranks import column_ranks

KRUSKAL_WALLIS: Final = "kruskal-wallis"
WELCH_ON_RANKS: Final = "welch-f-on-ranks-over-clusters"

_COLUMNS = 256
_CHUNK = 100  # permutations at once


@dataclass(frozen=True, slots=True)
class HeadStatistics:
    """One metric: `epsilon_squared`, `p`, `p_familywise` (L, H), NaN where not testable; `means` group -> (L, H)."""

    epsilon_squared: Floats
    p: Floats
    p_familywise: Floats
    means: dict[str, Floats]


def head_statistics(groups: Sequence[PreparedGroup], metric: str, *, seed: int, permutations: int) -> HeadStatistics:
    """Test every head on one metric. Groups must have heads of one shape (L, H).

    Groups in which fewer than 8 documents have the metric at a head take no part at that head.
    """
    arrays = [_flat(one.group, metric) for one in groups]  # each (n_g, L * H)
    shape = groups[0].group.head_shape
    assert shape is not None
    values = np.concatenate(arrays)
    label = np.repeat(np.arange(len(groups)), [len(array) for array in arrays])
    unit = np.concatenate(joint_units(groups))
    K = values.shape[1]
    epsilon, p, familywise = (np.full(K, np.nan) for _ in range(3))
    observed = np.full(K, np.nan)
    largest = np.zeros(permutations)
    for rows, columns in _testable(values, label):
        clustered = len(np.unique(unit[rows])) < len(rows)
        n = len(rows)
        every_score = np.empty((n, len(columns)), dtype=np.float32)
        for start in range(0, len(columns), _COLUMNS):
            part = columns[start : start + _COLUMNS]
            scores, term = _standard_ranks(values[np.ix_(rows, part)])  # (n, k) unit variance, 0 where constant
            varied = term < n**3 - n
            H = _kruskal(scores, label[rows])
            present = len(np.unique(label[rows]))
            observed[part] = np.where(varied, H, np.nan)
            epsilon[part] = np.where(varied, H / (n - 1), 0.0)
            tested = _welch(scores, label[rows], unit[rows]) if clustered else stats.chi2.sf(H, present - 1)
            p[part] = np.where(varied, tested, np.nan)
            every_score[:, start : start + _COLUMNS] = scores
        random = generator(seed, "heads", metric)
        largest = np.maximum(largest, _largest_permuted(every_score, label[rows], unit[rows], permutations, random))
    tested_heads = ~np.isnan(observed)
    in_order = np.sort(largest)
    at_least = permutations - np.searchsorted(in_order, observed[tested_heads] * (1 - 1e-5), side="left")
    familywise[tested_heads] = (1 + at_least) / (1 + permutations)
    means = {group.name: _mean(array).reshape(shape) for group, array in zip(groups, arrays, strict=True)}
    return HeadStatistics(epsilon.reshape(shape), p.reshape(shape), familywise.reshape(shape), means)


def _flat(group: Group, metric: str) -> Array:
    assert group.heads is not None
    return group.heads[metric].reshape(group.size, -1)


def _mean(values: Array) -> Floats:
    present = ~np.isnan(values)
    count = present.sum(axis=0)
    total = np.where(present, values, 0.0).sum(axis=0, dtype=np.float64)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _testable(values: Array, label: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Blocks of columns with the rows of those groups that have at least 8 documents there, if at least two do."""
    for rows, columns in blocks_of_columns(values):
        counts = np.bincount(label[rows], minlength=int(label.max()) + 1)
        enough = np.flatnonzero(counts >= MINIMUM_DOCUMENTS)
        if len(enough) >= 2:
            yield rows[np.isin(label[rows], enough)], columns


def _standard_ranks(values: Array) -> tuple[NDArray[np.float32], Floats]:
    """Midranks brought to mean 0 and variance 1 (divisor n - 1), in which H is a plain sum; and the tie term."""
    ranks, term = column_ranks(values)
    ranks -= ranks.mean(axis=0)
    scale = np.sqrt((ranks**2).sum(axis=0) / (len(ranks) - 1))
    return (ranks / np.where(scale > 0, scale, 1.0)).astype(np.float32), term


def _kruskal(scores: NDArray[np.float32], label: NDArray[np.intp]) -> Floats:
    """H with its correction for ties (K,): on standardised ranks, the sum of n_g * mean_g^2."""
    H = np.zeros(scores.shape[1])
    for group in np.unique(label):
        member = scores[label == group].astype(np.float64)
        H += member.sum(axis=0) ** 2 / len(member)
    return H


def _largest_permuted(
    scores: NDArray[np.float32],
    label: NDArray[np.intp],
    unit: NDArray[np.intp],
    permutations: int,
    random: np.random.Generator,
) -> Floats:
    """The largest H over these columns in each relabelling of whole units: (permutations,)."""
    _, first, inverse = np.unique(unit, return_index=True, return_inverse=True)
    label_of_unit = label[first]
    size = np.bincount(inverse).astype(np.float32)
    if len(first) < len(unit):
        sums = np.zeros((len(first), scores.shape[1]), dtype=np.float32)
        np.add.at(sums, inverse, scores)
    else:
        sums = np.empty_like(scores)
        sums[inverse] = scores
    present = np.unique(label_of_unit)
    largest = np.zeros(permutations)
    for start in range(0, permutations, _CHUNK):
        count = min(_CHUNK, permutations - start)
        drawn = random.permuted(np.tile(label_of_unit, (count, 1)), axis=1)  # (b, C)
        H = np.zeros((count, scores.shape[1]), dtype=np.float32)
        rest = np.zeros_like(H)
        rest_size = np.full((count, 1), size.sum(), dtype=np.float32)
        for group in present[:-1]:
            member = (drawn == group).astype(np.float32)
            total = member @ sums
            documents = (member @ size)[:, None]
            H += total**2 / documents
            rest -= total
            rest_size -= documents
        H += rest**2 / rest_size  # the scores sum to 0: the last group needs no product of its own
        largest[start : start + count] = H.max(axis=1)
    return largest


def _welch(scores: NDArray[np.float32], label: NDArray[np.intp], unit: NDArray[np.intp]) -> Floats:
    """p of Welch's (1951) F on the groups' mean scores, with variances over whole clusters (K,)."""
    mean, variance, count = [], [], []
    for group in np.unique(label):
        member = scores[label == group].astype(np.float64)
        _, local = np.unique(unit[label == group], return_inverse=True)
        clusters = int(local.max()) + 1
        if clusters < 2:
            return np.full(scores.shape[1], np.nan)
        residual = np.zeros((clusters, scores.shape[1]))
        np.add.at(residual, local, member - member.mean(axis=0))
        mean.append(member.mean(axis=0))
        variance.append((residual**2).sum(axis=0) * clusters / (clusters - 1) / len(member) ** 2)
        count.append(clusters)
    means, freedom = np.array(mean), np.array(count)[:, None] - 1.0
    weight = 1 / np.maximum(np.array(variance), 1e-12)
    k = len(means)
    share = weight / weight.sum(axis=0)
    centre = (share * means).sum(axis=0)
    between = (weight * (means - centre) ** 2).sum(axis=0) / (k - 1)
    unevenness = ((1 - share) ** 2 / freedom).sum(axis=0)
    F = between / (1 + 2 * (k - 2) / (k**2 - 1) * unevenness)
    p: Floats = stats.f.sf(F, k - 1, (k**2 - 1) / (3 * unevenness))
    return p
