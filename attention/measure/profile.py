"""Attention profiles as points to search among: standardised by a model's scale, projected where they are long.

A profile is every head's distance, dispersion, interdependency and sink. As measured, profiles of a model all point
nearly the same way, since distances are the largest numbers and all are positive; so a scale subtracts each number's
mean and divides by its deviation. A comparison takes the scale from its own documents, search from texts that are
the same in every installation (see attention.measure.profile_scale).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from attention.definitions import PROFILE, PROFILE_METRICS

LONGEST: Final = 2_000
"""Numbers of the longest point; longer profiles are projected to this many."""

BLOCKS: Final = 8
_ROUNDING: Final = 1e-5  # of the mean: numbers that vary by less vary by how they were rounded

Floats = NDArray[np.float64]


def profiles(heads: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The profiles of n documents from their heads, (n, L, H) each, NaN where undefined. (n, 4 L H)

    All heads' distance, layer by layer, then all heads' dispersion, and so on.
    """
    first = heads[PROFILE_METRICS[0]]
    numbers = [np.asarray(heads[metric], np.float32).reshape(len(first), -1) for metric in PROFILE_METRICS]
    return np.concatenate(numbers, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and deviation of each of P numbers; the deviation is 0 where a number is the same in all documents."""

    means: Floats  # (P,)
    deviations: Floats  # (P,)

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Scale":
        """The scale of n documents' numbers, (n, P), over those that are defined."""
        present = ~np.isnan(values)
        count = np.maximum(present.sum(axis=0), 1)
        mean = np.where(present, values, 0).sum(axis=0, dtype=np.float64) / count
        deviation = np.sqrt((np.where(present, values - mean, 0) ** 2).sum(axis=0) / count)
        return cls(mean, np.where(deviation > _ROUNDING * np.abs(mean), deviation, 0.0))

    def standardised(self, values: NDArray[Any]) -> Floats:
        """Numbers (n, P) in deviations from the mean; 0 where one is undefined or never varies."""
        varied = ~np.isnan(values) & (self.deviations > 0)
        return np.where(varied, (values - self.means) / np.where(self.deviations > 0, self.deviations, 1.0), 0.0)

    @property
    def dimension(self) -> int:
        """Numbers that a point has."""
        return min(len(self.means), LONGEST)

    def points(self, values: NDArray[Any]) -> Floats:
        """Profiles (n, P) as points to be compared by cosine. (n, dimension)

        Above LONGEST numbers they are projected: each number is added, with a sign, to one place of each of 8 blocks.
        Cosines are then those of the whole profiles but for an error of about 1 / sqrt(LONGEST), 0.02 (Kane and Nelson
        2014, "Sparser Johnson-Lindenstrauss transforms").
        """
        standard = self.standardised(values)
        if len(self.means) <= LONGEST:
            return standard
        places, signs = _projection(len(self.means))
        projected: Floats = np.empty((len(values), LONGEST))
        for row, one in zip(projected, standard, strict=True):
            row[:] = np.bincount(places.ravel(), (one * signs).ravel(), minlength=LONGEST)  # of (8, P)
        projected /= np.sqrt(BLOCKS)
        return projected


@cache
def _projection(numbers: int) -> tuple[NDArray[np.int64], Floats]:
    """The place of each number in each block, and its sign there: (8, P) each.

    Drawn from SHAKE-256 of the definition's name, so that no library's random generator can ever change them.
    """
    length = 4 * BLOCKS * numbers
    drawn = np.frombuffer(hashlib.shake_256(PROFILE.encode()).digest(length), "<u4").reshape(BLOCKS, numbers)
    block = LONGEST // BLOCKS
    places = (drawn >> 1) % block + block * np.arange(BLOCKS)[:, None]
    return places.astype(np.int64), np.where(drawn & 1, 1.0, -1.0)
