"""Rows of the long table: the shapes that a study, its first windows and its controls have in common."""

from collections.abc import Iterable, Iterator

from attention.comparison.parts.effects import GroupMeans, LayerMeans, Level, MetricMeans, PairTest
from attention.comparison.parts.spaces import Separability

COLUMNS = ("table", "level", "metric", "space", "layer", "head", "group", "other_group", "quantity", "value")
Row = tuple[str, str, str, str, int | None, int | None, str, str, str, float | int | None]


def means_rows(table: str, metrics: Iterable[str], overall: MetricMeans, layers: Iterable[LayerMeans]) -> Iterator[Row]:
    """The means of these metrics over all layers, then at each."""
    listed = list(metrics)
    for layer, means in [(None, overall), *((row.layer, row.metrics) for row in layers)]:
        for metric in listed:
            yield from groups_rows(table, metric, layer, means[metric])


def groups_rows(table: str, metric: str, layer: int | None, groups: GroupMeans) -> Iterator[Row]:
    """The means of one metric at one level."""
    for group, cell in groups.items():
        at = (table, level(layer), metric, "", layer, None, group, "")
        yield (*at, "mean", cell.mean)
        yield (*at, "low", cell.low)
        yield (*at, "high", cell.high)
        yield (*at, "documents", cell.documents)


def pair_rows(table: str, pairs: Iterable[PairTest]) -> Iterator[Row]:
    """Effects of pairs of groups."""
    for pair in pairs:
        at = (table, pair.level, pair.metric, "", pair.layer, None, pair.a, pair.b)
        yield (*at, "delta", pair.delta)
        yield (*at, "low", pair.low)
        yield (*at, "high", pair.high)
        yield (*at, "p", pair.p)
        yield (*at, "p_adjusted", pair.p_adjusted)


def separability_rows(table: str, spaces: Iterable[Separability]) -> Iterator[Row]:
    """Every measure of separability, and what permuted labels gave for it."""
    for one in spaces:
        at = (table, level(one.layer), "", one.space, one.layer, None, "", "")
        for measure, value, chance in (
            ("silhouette", one.silhouette, one.silhouette_permuted),
            ("neighbour_purity", one.neighbour_purity, one.neighbour_purity_permuted),
            ("accuracy", one.accuracy, one.accuracy_permuted),
        ):
            yield (*at, measure, value)
            if chance is not None:
                yield (*at, f"{measure}_permuted_p", chance.p)
                yield (*at, f"{measure}_permuted_p95", chance.p95)
                yield (*at, f"{measure}_permuted_mean", chance.mean)


def level(layer: int | None) -> Level:
    """What the long table calls a layer, or all of them."""
    return "overall" if layer is None else "layer"
