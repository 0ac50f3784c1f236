"""Every figure said in words, for a reader who does not see it. Exact numbers stand in the tables."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from attention.comparison.parts.spaces import Map, Space
from attention.comparison.study import Study
from report.pairs import DefinedPair, overall_pairs
from report.wording import (
    SIGNIFICANT,
    SPACE,
    effect_shown,
    metric_name,
    p_shown,
    shown,
    space_of,
    titled,
)

_SAID: Final = 12
"""So many pairs are said one by one; the table has the others."""


def curve_said(result: Study, metric: str) -> str:
    """The lines of means by layer."""
    parts = []
    for group in result.groups:
        cells = [(row.layer, row.metrics[metric][group.name].mean) for row in result.layers]
        known = [(layer, mean) for layer, mean in cells if mean is not None]
        if known:
            (first, begin), (last, end) = known[0], known[-1]
            top, most = max(known, key=lambda cell: cell[1])
            parts.append(
                f"{group.name} {shown(begin)} at layer {first}, {shown(end)} at layer {last}, "
                f"highest {shown(most)} at layer {top}"
            )
    return f"Lines of mean {titled(metric)} by layer, with intervals. {'; '.join(parts)}."


def heat_said(result: Study, metric: str) -> str:
    """The grid of means by group and layer."""
    cells = [
        (cell.mean, name, row.layer)
        for row in result.layers
        for name, cell in row.metrics[metric].items()
        if cell.mean is not None
    ]
    if not cells:
        return f"Grid of mean {titled(metric)} by group and layer, empty."
    (low, low_group, low_layer), (high, high_group, high_layer) = min(cells), max(cells)
    return (
        f"Grid of mean {titled(metric)} by group and layer, from {shown(low)} ({low_group}, layer {low_layer}) "
        f"to {shown(high)} ({high_group}, layer {high_layer})."
    )


def forest_said(result: Study, metric: str) -> str:
    """The effects of pairs of groups."""
    pairs = [pair for pair in overall_pairs(result) if pair.metric == metric]
    said = "; ".join(
        f"{pair.a} against {pair.b} {effect_shown(pair)}, adjusted {p_shown(pair.p_adjusted)}" for pair in pairs[:_SAID]
    )
    more = f"; {len(pairs) - _SAID} more pairs are not read out here" if len(pairs) > _SAID else ""
    return f"Cliff's delta of pairs of groups in {metric_name(metric)}, with intervals. {said}{more}."


def layers_said(metric: str, a: str, b: str, pairs: Sequence[DefinedPair]) -> str:
    """One effect by layer."""
    said = ", ".join(f"layer {pair.layer} {shown(pair.delta)}" for pair in pairs)
    passed = sum(pair.p_adjusted < SIGNIFICANT for pair in pairs)
    return (
        f"Cliff's delta of {a} against {b} in {metric_name(metric)} by layer, with intervals: {said}. The adjusted "
        f"p is below {SIGNIFICANT} in {passed} of {len(pairs)} layers."
    )


def heads_said(result: Study, metric: str) -> str:
    """The grid of effects by layer and head."""
    assert result.heads is not None
    found = result.heads[metric]
    cells = [
        (epsilon, layer, head, found.p_adjusted[layer][head])
        for layer, row in enumerate(found.epsilon_squared)
        for head, epsilon in enumerate(row)
        if epsilon is not None
    ]
    if not cells:
        return f"Grid of epsilon squared by layer and head in {metric_name(metric)}, empty."
    passed = sum(p is not None and p < SIGNIFICANT for *_, p in cells)
    largest, layer, head, _ = max(cells, key=lambda cell: cell[0])
    return (
        f"Grid of epsilon squared by layer and head in {metric_name(metric)}. {passed} of {len(cells)} heads have an "
        f"adjusted p below {SIGNIFICANT}; the largest epsilon squared is {shown(largest)}, of head {head} in layer "
        f"{layer}."
    )


def separability_said(result: Study, space: Space) -> str:
    """Accuracies beside their values under permuted labels."""
    rows = [(one, one.accuracy_permuted) for one in result.separability if one.space == space]
    said = "; ".join(
        f"{'over all layers' if one.layer is None else 'layer ' + str(one.layer)} {shown(one.accuracy)} "
        f"(permuted labels {shown(chance.mean)}, 95th percentile {shown(chance.p95)})"
        for one, chance in rows
        if chance is not None
    )
    return f"Balanced accuracy from {SPACE[space]}: {said}."


def map_said(mapped: Map) -> str:
    """How many documents of which groups a map has."""
    counts = Counter(point.group for point in mapped.points)
    said = ", ".join(f"{count} of {name}" for name, count in counts.items())
    return f"Map of {len(mapped.points)} documents by {space_of(mapped)}: {said}. Near points are near documents."
