"""Means of groups, effects of pairs of groups, tests of heads. Layers and heads are counted from 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from attention.comparison.json_form import FLATTENED

Level = Literal["overall", "layer"]
Grid = tuple[tuple[float | None, ...], ...]
"""L rows of H values, one a head; None where a head cannot be tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A metric's mean over `documents` documents of a group, in the metric's unit, with its interval.

    None where fewer than 8 documents have the metric; the limits also where there is one cluster only.
    """

    mean: float | None
    low: float | None
    high: float | None
    documents: int


GroupMeans = Mapping[str, Mean]
"""By the group's name."""
MetricMeans = Mapping[str, GroupMeans]
"""By the metric's name, then by the group's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMeans:
    """The means of one layer."""

    layer: int
    metrics: MetricMeans = field(metadata=FLATTENED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTest:
    """Two groups on one metric, at one layer or (None) over all. Positive `delta`: a's values are larger.

    `delta` is Cliff's delta, or paired dominance where each document is compared with itself, from -1 to 1, with its
    interval; `test` names what gave `p`. Undefined are all numbers where a group has fewer than 8 documents with the
    metric, and `p` where every value is the same.
    """

    level: Level = field(init=False)
    layer: int | None
    metric: str
    a: str
    b: str
    delta: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    test: str | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", "overall" if self.layer is None else "layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTests:
    """Every head on one metric, as L rows of H values; null where a head cannot be tested.

    `p_adjusted` over all heads and metrics, `p_familywise` by permutation over the heads of the metric; `means` by the
    group's name.
    """

    epsilon_squared: Grid
    p: Grid
    p_adjusted: Grid
    p_familywise: Grid
    means: Mapping[str, Grid]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The tests that were adjusted together: `tests` is how many were made."""

    level: Literal["overall", "layer", "head"]
    kind: Literal["pairs", "paired", "heads"]
    tests: int
