"""Means of a group with studentised bootstrap intervals; whole clusters are resampled where there are any.

The studentised (bootstrap-t) interval: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 12. With
clusters the mean is a ratio of sums, and its standard error the linearised one over clusters.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import MINIMUM_DOCUMENTS, Floats, blocks_of_columns

SMALL: Final = 30
"""Below this many units an interval is called approximate."""

_CHUNK_VALUES = 4_000_000  # resampling weights held at once


@dataclass(frozen=True, slots=True)
class Means:
    """`mean`, `low`, `high` (K,), NaN where fewer than 8 documents have the value; `documents`, `units` (K,)."""

    mean: Floats
    low: Floats
    high: Floats
    documents: NDArray[np.int64]
    units: NDArray[np.int64]


def means(
    values: Floats,
    unit: NDArray[np.intp],
    *,
    confidence: float,
    resamples: int,
    random: np.random.Generator,
) -> Means:
    """Mean and interval of every column.

    Args:
        values: (n, K), NaN where a document lacks the value; such documents are left out of that column alone.
        unit: (n,) the unit of evidence of each document.
        confidence: of the two-sided interval, such as 0.95.
        resamples: number of bootstrap resamples.
        random: draws the resamples.
    """
    K = values.shape[1]
    mean, low, high = (np.full(K, np.nan) for _ in range(3))
    documents, counts = np.zeros(K, dtype=np.int64), np.zeros(K, dtype=np.int64)
    for rows, columns in blocks_of_columns(values):
        documents[columns] = len(rows)
        _, local = np.unique(unit[rows], return_inverse=True)
        units = int(local.max()) + 1 if len(rows) else 0
        counts[columns] = units
        if len(rows) < MINIMUM_DOCUMENTS:
            continue
        block = values[np.ix_(rows, columns)]
        mean[columns] = block.mean(axis=0)
        if units > 1:
            low[columns], high[columns] = _interval(block, local, units, confidence, resamples, random)
    return Means(mean, low, high, documents, counts)


def _interval(
    block: Floats,
    unit: NDArray[np.intp],
    units: int,
    confidence: float,
    resamples: int,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    centre = block.mean(axis=0)  # (K,)
    scale = block.std(axis=0)
    # Standardised first: sums of squares stay accurate whatever the metric's own size.
    standard = (block - centre) / np.where(scale > 0, scale, 1.0)
    size = np.bincount(unit, minlength=units).astype(np.float64)  # (C,) documents in each unit
    sums = _sums(standard, unit, units)  # (C, K)
    even = bool((size == 1).all())
    se = np.sqrt((sums**2).sum(axis=0)) / size.sum()  # the same factor C / (C - 1) is left out here and below
    ratios = np.empty((resamples, block.shape[1]))
    squares = sums**2
    step = max(1, _CHUNK_VALUES // units)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        weights = _weights(stop - start, units, random)  # (b, C)
        total = weights @ sums
        spread = weights @ squares
        count = weights @ size  # (b,)
        drawn = total / count[:, None]
        if even:
            variance = spread - count[:, None] * drawn**2
        else:
            cross = weights @ (sums * size[:, None])
            variance = spread - 2 * drawn * cross + drawn**2 * (weights @ size**2)[:, None]
        drawn_se = np.sqrt(np.maximum(variance, 0.0)) / count[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            # A resample of one value over and over has no spread of its own and cannot be studentised.
            ratios[start:stop] = np.where(drawn_se > 1e-9 * se, drawn / drawn_se, np.nan)
    constant = ~(scale > 0)
    ratios[:, constant] = 0.0
    tail = (1 - confidence) / 2
    if np.isnan(ratios).any():
        lower, upper = np.nanquantile(ratios, [tail, 1 - tail], axis=0)
    else:
        lower, upper = np.quantile(ratios, [tail, 1 - tail], axis=0)
    width = np.where(constant, 0.0, se * scale)
    return centre - upper * width, centre - lower * width


def _sums(values: Floats, unit: NDArray[np.intp], units: int) -> Floats:
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], np.arange(units))
    sums: Floats = np.add.reduceat(values[order], starts, axis=0)
    return sums


def _weights(resamples: int, units: int, random: np.random.Generator) -> Floats:
    """How often each unit is drawn in each resample: (resamples, units)."""
    drawn = random.integers(units, size=(resamples, units))
    drawn += np.arange(resamples)[:, None] * units
    counts = np.bincount(drawn.ravel(), minlength=resamples * units)
    return counts.reshape(resamples, units).astype(np.float64)
