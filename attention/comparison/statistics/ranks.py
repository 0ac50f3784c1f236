"""Ranks of many columns at once."""

import numpy as np
from scipy.stats import rankdata

from attention.comparison.groups import Array, Floats


def column_ranks(values: Array) -> tuple[Floats, Floats]:
    """Midranks down each column of (n, K), and each column's tie term, the sum of t^3 - t over its ties (K,).

    Columns without ties, nearly all of them, take one sort; the others go to scipy.
    """
    n, K = values.shape
    across = np.ascontiguousarray(values.T)  # (K, n)
    order = np.argsort(across, axis=1)
    in_order = np.take_along_axis(across, order, axis=1)
    ranks = np.empty((K, n))
    np.put_along_axis(ranks, order, np.arange(1.0, n + 1)[None, :], axis=1)
    tied = np.flatnonzero((in_order[:, 1:] == in_order[:, :-1]).any(axis=1))
    term = np.zeros(K)
    if len(tied):
        ranks[tied] = rankdata(across[tied], axis=1)
        for column in tied:
            _, counts = np.unique(across[column], return_counts=True)
            term[column] = float((counts.astype(np.float64) ** 3 - counts).sum())
    return ranks.T, term
