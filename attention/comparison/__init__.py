"""Groups of measured documents against each other: statistics, separability, maps.

Takes numbers that `attention.measure` made, and gives numbers; the report draws them. What counts as a difference,
and what is only said to be one with a warning, is decided here and nowhere else.
"""

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.result import ComparisonResult

__all__ = ["ComparisonResult", "ComparisonSettings", "Group", "compare"]
