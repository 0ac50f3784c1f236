"""Permutation tests of two small groups by their ranks.

The exact distribution of the rank sum, ties included, is built by the shift algorithm of Streitberg & Roehmel (1986):
over all ways to choose the first group, how many have each sum of doubled midranks.
"""

from itertools import combinations
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import Floats

EXACT: Final = "exact-permutation"
SAMPLED: Final = "sampled-permutation"
WHOLE_CLUSTERS: Final = "cluster-permutation"

_EXACT_DOCUMENTS = 400  # in both groups together: beyond, the exact distribution takes too long for its worth


def exact_rank_sum_p(ranks: Floats, m: int, permutations: int, random: np.random.Generator) -> tuple[Floats, str]:
    """Two-sided p of the rank sum of the first m of (N, K) midranks, over all permutations of the documents.

    Above 400 documents, `permutations` seeded ones are drawn instead, and the name that is returned says so.
    """
    N, K = ranks.shape
    observed = ranks[:m].sum(axis=0)
    if N > _EXACT_DOCUMENTS:
        return _sampled(ranks, m, observed, permutations, random), SAMPLED
    few = min(m, N - m)
    sums = observed if few == m else ranks[m:].sum(axis=0)
    known: dict[bytes, tuple[Floats, Floats]] = {}
    p = np.empty(K)
    for column in range(K):
        doubled = np.sort(np.rint(2 * ranks[:, column]).astype(np.int64))
        pattern = doubled.tobytes()
        if pattern not in known:
            chance = _distribution(doubled, few)
            known[pattern] = np.cumsum(chance), np.cumsum(chance[::-1])[::-1]
        at_most, at_least = known[pattern]
        s = round(2 * sums[column])
        p[column] = min(1.0, 2 * min(at_most[s], at_least[s]))
    return p, EXACT


def _distribution(doubled: NDArray[np.int64], chosen: int) -> Floats:
    """Probability of every sum of `chosen` of these values."""
    largest = int(doubled[-chosen:].sum())
    ways = np.zeros((chosen + 1, largest + 1))
    ways[0, 0] = 1.0
    for value in doubled:
        ways[1:, value:] += ways[:-1, : largest + 1 - value].copy()
    distribution: Floats = ways[chosen] / ways[chosen].sum()
    return distribution


def _sampled(ranks: Floats, m: int, observed: Floats, permutations: int, random: np.random.Generator) -> Floats:
    N = len(ranks)
    centred = ranks - ranks.mean(axis=0)
    target = np.abs(observed - m * ranks.mean(axis=0)) * (1 - 1e-12)
    few = min(m, N - m)
    chosen = np.argpartition(random.random((permutations, N)), few, axis=1)[:, :few]  # (B, few)
    passed = np.zeros(ranks.shape[1])
    for draw in chosen:
        passed += np.abs(centred[draw].sum(axis=0)) >= target
    p: Floats = (1 + passed) / (1 + permutations)
    return p


def permuted_rank_p(
    ranks: Floats,
    unit_a: NDArray[np.intp],
    unit_b: NDArray[np.intp],
    permutations: int,
    random: np.random.Generator,
) -> tuple[Floats, str]:
    """Two-sided p of the studentised difference of mean ranks when whole clusters change groups.

    All assignments are tried where there are no more than `permutations`; otherwise that many are drawn.
    """
    units_a, units_b = int(unit_a.max()) + 1, int(unit_b.max()) + 1
    units = units_a + units_b
    unit = np.concatenate([unit_a, unit_b + units_a])
    sums = np.zeros((units, ranks.shape[1]))
    np.add.at(sums, unit, ranks - ranks.mean(axis=0))
    size = np.bincount(unit, minlength=units).astype(np.float64)
    first = np.zeros((1, units))
    first[0, :units_a] = 1
    observed = np.abs(_studentised(first, sums, size))[0]
    if comb(units, units_a) <= permutations:
        rows = list(combinations(range(units), units_a))
        assigned = np.zeros((len(rows), units))
        np.put_along_axis(assigned, np.array(rows), 1.0, axis=1)
        drawn = np.abs(_studentised(assigned, sums, size))
        exact: Floats = (drawn >= observed * (1 - 1e-9)).mean(axis=0)
        return exact, WHOLE_CLUSTERS
    assigned = random.permuted(np.repeat(first, permutations, axis=0), axis=1)
    passed = np.zeros(ranks.shape[1])
    for chunk in np.array_split(assigned, max(1, permutations // 500)):
        passed += (np.abs(_studentised(chunk, sums, size)) >= observed * (1 - 1e-9)).sum(axis=0)
    p: Floats = (1 + passed) / (1 + permutations)
    return p, WHOLE_CLUSTERS


def _studentised(assigned: Floats, sums: Floats, size: Floats) -> Floats:
    """(B, C) assignments to the first group -> (B, K) difference of means over its standard error."""
    mean, variance = [], []
    for weights in (assigned, 1 - assigned):
        count = (weights @ size)[:, None]
        chosen = weights.sum(axis=1)[:, None]
        average = weights @ sums / count
        spread = (
            weights @ sums**2
            - 2 * average * (weights @ (sums * size[:, None]))
            + average**2 * (weights @ size**2)[:, None]
        )
        mean.append(average)
        variance.append(np.maximum(spread, 0) * chosen / np.maximum(chosen - 1, 1) / count**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (mean[0] - mean[1]) / np.sqrt(variance[0] + variance[1])
    studentised: Floats = np.nan_to_num(ratio, nan=0.0)
    return studentised
