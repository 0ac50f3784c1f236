"""Attention with row statistics: one interface, several ways to the same numbers.

`dense` is the float64 oracle, `blocked` PyTorch for any device and mask. `attend` chooses, and is the only place that
does.
"""

from attention.kernels.blocked import attend
from attention.kernels.rows import KeyGroups, RowRequest, RowStatistics
from attention.kernels.sight import MaskRule, Sight

__all__ = ["KeyGroups", "MaskRule", "RowRequest", "RowStatistics", "Sight", "attend"]
