"""Two groups against each other, column by column: Cliff's delta with its interval, and the test beside it.

theta = P(a > b) + P(a = b) / 2 is the mean *placement* of a's documents among b's, and Cliff's delta is 2 theta - 1
(Cliff 1993). The Brunner-Munzel test (2000) is Welch's t on placements; with clusters its variances are taken over
whole clusters. The interval solves Newcombe's (2006, method 5) score equation, so that it keeps a width when the
groups do not overlap at all; its variance is raised to the placements' own where that is larger (unequal spread,
clusters).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from attention.comparison.groups import MINIMUM_DOCUMENTS, Floats, blocks_of_columns
from attention.comparison.statistics.exact import exact_rank_sum_p, permuted_rank_p
from attention.comparison.statistics.ranks import column_ranks

EXACT_BELOW: Final = 20
"""Units in the smaller group below which p comes from permutation, not from Brunner-Munzel's t."""

BRUNNER_MUNZEL: Final = "brunner-munzel"
NOT_TESTED: Final = ""


@dataclass(frozen=True, slots=True)
class Effects:
    """`delta`, `low`, `high`, `p` (K,), NaN where there is nothing to compare; `test` (K,) names the test of each."""

    delta: Floats
    low: Floats
    high: Floats
    p: Floats
    test: NDArray[np.str_]


def effects(
    a: Floats,
    b: Floats,
    unit_a: NDArray[np.intp],
    unit_b: NDArray[np.intp],
    *,
    confidence: float,
    permutations: int,
    random: np.random.Generator,
) -> Effects:
    """Compare (n_a, K) with (n_b, K) column by column; positive delta means that a's values are larger.

    A column in which either group has fewer than 8 documents is NaN. One that holds a single value throughout has
    delta 0 and no p: nothing is tested.
    """
    K = a.shape[1]
    delta, low, high, p = (np.full(K, np.nan) for _ in range(4))
    test = np.full(K, NOT_TESTED, dtype="<U24")
    for rows, columns in blocks_of_columns(np.concatenate([a, b])):
        rows_a, rows_b = rows[rows < len(a)], rows[rows >= len(a)] - len(a)
        if min(len(rows_a), len(rows_b)) < MINIMUM_DOCUMENTS:
            continue
        pair = _Pair(a[np.ix_(rows_a, columns)], b[np.ix_(rows_b, columns)], unit_a[rows_a], unit_b[rows_b])
        delta[columns] = 2 * pair.theta - 1
        low[columns], high[columns] = pair.interval(confidence)
        p[columns], test[columns] = pair.test(permutations, random)
    return Effects(delta, low, high, p, test)


class _Pair:
    """One block of columns that have the same documents. Shapes: a (m, K), b (n, K)."""

    def __init__(self, a: Floats, b: Floats, unit_a: NDArray[np.intp], unit_b: NDArray[np.intp]) -> None:
        self.m, self.n = len(a), len(b)
        _, self.unit_a = np.unique(unit_a, return_inverse=True)
        _, self.unit_b = np.unique(unit_b, return_inverse=True)
        self.units_a, self.units_b = int(self.unit_a.max()) + 1, int(self.unit_b.max()) + 1
        self.clustered = self.units_a < self.m or self.units_b < self.n
        self.ranks, _ = column_ranks(np.concatenate([a, b]))  # (m + n, K)
        above_a = (self.ranks[: self.m] - column_ranks(a)[0]) / self.n  # (m, K) placements of a among b
        above_b = (self.ranks[self.m :] - column_ranks(b)[0]) / self.m  # (n, K)
        self.theta = above_a.mean(axis=0)
        self.variance_a = _variance_of_mean(above_a, self.unit_a, self.units_a)
        self.variance_b = _variance_of_mean(above_b, self.unit_b, self.units_b)
        self.constant = np.ptp(self.ranks, axis=0) == 0

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        """Limits of delta."""
        z = float(stats.norm.ppf((1 + confidence) / 2))
        m, n = self.m, self.n
        at_estimate = _score_variance(self.theta, m, n)
        own = self.variance_a + self.variance_b
        apart = at_estimate <= 0  # no overlap: the placements say nothing about the variance
        # Where clusters do not overlap at all, every cluster counts as one document: the wider, safe choice.
        by_units = _score_variance(np.full_like(self.theta, 0.5), self.units_a, self.units_b)
        by_documents = _score_variance(np.full_like(self.theta, 0.5), m, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(apart, by_units / by_documents, np.maximum(1.0, own / at_estimate))
        limits = []
        for bound in (0.0, 1.0):
            inside, outside = self.theta.copy(), np.full_like(self.theta, bound)
            for _ in range(60):  # bisection: the estimate is inside, the bound outside or on the limit
                middle = (inside + outside) / 2
                covered = (middle - self.theta) ** 2 <= z * z * factor * _score_variance(middle, m, n)
                inside, outside = np.where(covered, middle, inside), np.where(covered, outside, middle)
            limits.append(2 * inside - 1)
        return limits[0], limits[1]

    def test(self, permutations: int, random: np.random.Generator) -> tuple[Floats, NDArray[np.str_]]:
        """Two-sided p of every column, and the test's name."""
        if min(self.units_a, self.units_b) < EXACT_BELOW:
            if self.clustered:
                p, name = permuted_rank_p(self.ranks, self.unit_a, self.unit_b, permutations, random)
            else:
                p, name = exact_rank_sum_p(self.ranks, self.m, permutations, random)
        else:
            p, name = self._brunner_munzel(), BRUNNER_MUNZEL
        p = np.where(self.constant, np.nan, p)
        return p, np.where(self.constant, NOT_TESTED, name)

    def _brunner_munzel(self) -> Floats:
        variance = self.variance_a + self.variance_b
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = (self.theta - 0.5) / np.sqrt(variance)
            freedom = variance**2 / (self.variance_a**2 / (self.units_a - 1) + self.variance_b**2 / (self.units_b - 1))
            p = 2 * stats.t.sf(np.abs(statistic), freedom)
        # Groups that do not overlap leave no variance; the permutation of the units then has an exact answer.
        units = self.units_a + self.units_b
        extreme = 2 * np.exp(-_log_choose(units, self.units_a))
        floor: Floats = np.where(variance > 0, p, extreme)
        return floor


def _variance_of_mean(placements: Floats, unit: NDArray[np.intp], units: int) -> Floats:
    """Variance of the mean over documents (K,), taken over whole units."""
    residual = placements - placements.mean(axis=0)
    if units < len(placements):
        sums = np.zeros((units, placements.shape[1]))
        np.add.at(sums, unit, residual)
        residual = sums
    if units < 2:
        return np.full(placements.shape[1], np.nan)
    variance: Floats = (residual**2).sum(axis=0) * units / (units - 1) / len(placements) ** 2
    return variance


def _score_variance(theta: Floats, m: float, n: float) -> Floats:
    """Variance of theta-hat under exponential distributions with this theta (Hanley & McNeil 1982; Newcombe 2006)."""
    half = (m + n) / 2 - 1
    spread = 1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
    variance: Floats = theta * (1 - theta) * spread / (m * n)
    return variance


def _log_choose(total: int, part: int) -> float:
    return float(gammaln(total + 1) - gammaln(part + 1) - gammaln(total - part + 1))
