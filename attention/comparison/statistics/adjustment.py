"""Many tests at once: Benjamini-Hochberg within one family."""

import numpy as np
from scipy.stats import false_discovery_control

from attention.comparison.groups import Floats


def adjusted(p: Floats) -> tuple[Floats, int]:
    """Adjusted p of one family, whatever the array's shape, and the family's size.

    NaN (nothing could be tested) stays NaN and does not count.
    """
    tested = ~np.isnan(p)
    result = np.full(p.shape, np.nan)
    if tested.any():
        result[tested] = false_discovery_control(p[tested], method="bh")
    return result, int(tested.sum())
