"""Arrays of statistics, column by column, as the parts of a study.

The columns of groups run metric by metric: the value over all layers, then layer 0 to L - 1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import Array
from attention.comparison.parts.documents import GroupSummary
from attention.comparison.parts.effects import Family, Grid, HeadTests, Mean, MetricMeans, PairTest
from attention.comparison.prepared import PreparedGroup
from attention.comparison.statistics.adjustment import adjusted
from attention.comparison.statistics.effects import Effects
from attention.comparison.statistics.heads import HeadStatistics
from attention.comparison.statistics.means import Means


def group_summary(prepared: PreparedGroup) -> GroupSummary:
    """The group as it was used."""
    group = prepared.group
    return GroupSummary(
        name=group.name,
        model=group.model,
        documents=group.size,
        units=prepared.units,
        clustered=group.clusters is not None,
        skipped=dict(sorted(group.skipped.items())),
    )


def metric_means(found: Mapping[str, Means], metrics: Sequence[str], width: int, level: int) -> MetricMeans:
    """The means of every group at one level: 0 is over all layers, 1 the first layer; `width` columns a metric."""
    return {
        metric: {name: _mean(means, place * width + level) for name, means in found.items()}
        for place, metric in enumerate(metrics)
    }


def _mean(means: Means, column: int) -> Mean:
    return Mean(
        mean=_number(means.mean[column]),
        low=_number(means.low[column]),
        high=_number(means.high[column]),
        documents=int(means.documents[column]),
    )


def pair_tests(
    names: Sequence[tuple[str, str]],
    found: Sequence[Effects],
    metrics: Sequence[str],
    width: int,
    kind: Literal["pairs", "paired"],
) -> tuple[list[PairTest], list[Family]]:
    """Effects of pairs of groups, adjusted within each level: one entry a pair, metric and level, overall first."""
    p = np.array([effect.p for effect in found]).reshape(len(names), len(metrics), width)
    p_adjusted = np.empty_like(p)
    p_adjusted[:, :, 0], overall = adjusted(p[:, :, 0])
    p_adjusted[:, :, 1:], by_layer = adjusted(p[:, :, 1:])
    tests = []
    for number, ((a, b), effect) in enumerate(zip(names, found, strict=True)):
        for column in range(len(metrics) * width):
            metric, level = divmod(column, width)
            tests.append(
                PairTest(
                    layer=level - 1 if level else None,
                    metric=metrics[metric],
                    a=a,
                    b=b,
                    delta=_number(effect.delta[column]),
                    low=_number(effect.low[column]),
                    high=_number(effect.high[column]),
                    p=_number(effect.p[column]),
                    p_adjusted=_number(p_adjusted[number, metric, level]),
                    test=str(effect.test[column]) or None,
                )
            )
    tests.sort(key=lambda test: test.layer is not None)  # overall first; within a level the order above stays
    families = [
        Family(level="overall", kind=kind, tests=overall),
        Family(level="layer", kind=kind, tests=by_layer),
    ]
    return tests, families


def head_tests(found: Mapping[str, HeadStatistics]) -> tuple[dict[str, HeadTests], Family]:
    """The tests of heads by metric, adjusted over all heads and metrics."""
    p_adjusted, tests = adjusted(np.array([one.p for one in found.values()]))  # (M, L, H)
    by_metric = {
        metric: HeadTests(
            epsilon_squared=_grid(one.epsilon_squared),
            p=_grid(one.p),
            p_adjusted=_grid(own),
            p_familywise=_grid(one.p_familywise),
            means={name: _grid(mean) for name, mean in one.means.items()},
        )
        for (metric, one), own in zip(found.items(), p_adjusted, strict=True)
    }
    return by_metric, Family(level="head", kind="heads", tests=tests)


def _number(value: float | np.floating[Any]) -> float | None:
    """A plain number, or None where it is undefined."""
    return float(value) if math.isfinite(value) else None


def _grid(values: Array | NDArray[Any]) -> Grid:
    """(L, H) as rows of plain numbers."""
    return tuple(tuple(_number(value) for value in row) for row in values)
