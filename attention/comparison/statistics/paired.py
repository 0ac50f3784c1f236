"""The same documents under two models: each document is its own control.

The effect is paired dominance, P(a > b) - P(a < b) over documents, with Wilson's score interval, which keeps a width
when one model is higher on every document. p is Wilcoxon's signed-rank test. Where documents come in clusters, the mean
difference of a cluster is one piece of evidence.
"""

from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from attention.comparison.groups import MINIMUM_DOCUMENTS, Floats, Group, blocks_of_columns
from attention.comparison.statistics.effects import NOT_TESTED, Effects

WILCOXON: Final = "wilcoxon"


def shared_documents(a: Group, b: Group) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Where the documents that two models have both measured stand in each group, in the same order.

    None for groups of one model, for groups whose documents have no names, and for fewer than 8 shared documents.
    A name that a group has twice is not a document that can be paired, and is left out.
    """
    if a.model == b.model or a.documents is None or b.documents is None:
        return None
    places_a, places_b = _places(a.documents), _places(b.documents)
    shared = sorted(places_a.keys() & places_b.keys())
    if len(shared) < MINIMUM_DOCUMENTS:
        return None
    return np.array([places_a[name] for name in shared]), np.array([places_b[name] for name in shared])


def _places(documents: list[str]) -> dict[str, int]:
    count = Counter(documents)
    return {name: place for place, name in enumerate(documents) if count[name] == 1}


def paired_effects(a: Floats, b: Floats, unit: NDArray[np.intp], *, confidence: float) -> Effects:
    """Compare (n, K) with (n, K), row by row the same document; positive delta means that a's values are larger.

    `unit` (n,) numbers the clusters. A column with fewer than 8 units is NaN; one without any difference has delta 0
    and no p.
    """
    difference = a - b
    K = difference.shape[1]
    delta, low, high, p = (np.full(K, np.nan) for _ in range(4))
    test = np.full(K, NOT_TESTED, dtype="<U24")
    for rows, columns in blocks_of_columns(difference):
        d = _by_unit(difference[np.ix_(rows, columns)], unit[rows])  # (u, k)
        n = len(d)
        if n < MINIMUM_DOCUMENTS:
            continue
        delta[columns] = np.sign(d).mean(axis=0)
        low[columns], high[columns] = _wilson(delta[columns], n, confidence)
        differs = np.any(d != 0, axis=0)
        if differs.any():
            p[columns[differs]] = stats.wilcoxon(d[:, differs], axis=0, zero_method="pratt").pvalue
            test[columns[differs]] = WILCOXON
    return Effects(delta, low, high, p, test)


def _by_unit(d: Floats, unit: NDArray[np.intp]) -> Floats:
    _, place, count = np.unique(unit, return_inverse=True, return_counts=True)
    if len(count) == len(d):
        return d
    total = np.zeros((len(count), d.shape[1]))
    np.add.at(total, place, d)
    return np.asarray(total / count[:, None])


def _wilson(delta: Floats, n: int, confidence: float) -> tuple[Floats, Floats]:
    """Limits of 2 theta - 1 from Wilson's (1927) interval of the proportion theta; ties count half."""
    z = float(stats.norm.ppf((1 + confidence) / 2))
    theta = (1 + delta) / 2
    middle = (theta + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(theta * (1 - theta) / n + z * z / (4 * n * n))
    return 2 * (middle - half) - 1, 2 * (middle + half) - 1
