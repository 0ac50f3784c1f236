"""Every effect beside what is left of it under each control."""

from collections.abc import Iterator
from typing import Any, Final

from attention.comparison.parts.effects import PairTest
from attention.comparison.parts.repeated import ControlStudy, Refused
from attention.comparison.parts.spaces import Space
from attention.comparison.study import Study
from report.pairs import DefinedPair, overall_pairs
from report.rows import Row, groups_rows, means_rows, pair_rows, separability_rows
from report.wording import SPACE, fixed, metric_name

EffectName = tuple[str, int | None, str, str]
"""Metric, layer (None over all) and the two groups."""

CONTROL: Final = {
    "untrained": "random weights",
    "shuffled_tokens": "tokens shuffled",
    "shuffled_turns": "turns shuffled",
    "permuted_speakers": "speakers permuted",
}
CAPTION: Final = (
    "The same groups measured again with one thing taken away: the training (random weights in the same architecture), "
    "the order of the tokens within each window, the order of the turns, or who says which turn. What stays as large "
    "under a control does not come from what the control takes away."
)


def controls(result: Study) -> dict[str, Any]:
    """What the page's section on controls needs."""
    return {
        "shown": bool(result.controls),
        "caption": CAPTION,
        "head": controls_head(result),
        "rows": controls_rows(result),
        "refused": controls_refused(result),
    }


def controls_head(result: Study) -> list[str]:
    """The columns of the table."""
    return ["effect", "as measured", *(CONTROL[name] for name in made(result))]


def controls_rows(result: Study) -> list[list[str]]:
    """One row for each pair of groups on each metric over all layers (Cliff's delta), then one for each space and
    layer (accuracy).
    """
    deltas = control_deltas(result)
    rows = []
    for pair in sorted(overall_pairs(result), key=lambda pair: -abs(pair.delta)):
        label = f"{metric_name(pair.metric)}: {pair.a} – {pair.b}"
        rows.append([label, fixed(pair.delta), *(fixed(found.get(effect_name(pair))) for found in deltas.values())])
    accuracies = control_accuracies(result)
    for found in result.separability:
        label = f"accuracy from {SPACE[found.space]}" + ("" if found.layer is None else f", layer {found.layer}")
        key = (found.space, found.layer)
        rows.append([label, fixed(found.accuracy), *(fixed(one.get(key)) for one in accuracies.values())])
    return rows


def effect_name(pair: PairTest | DefinedPair) -> EffectName:
    """What a pair's effect is of, the same in the study and under its controls."""
    return pair.metric, pair.layer, pair.a, pair.b


def control_deltas(result: Study) -> dict[str, dict[EffectName, float | None]]:
    """Cliff's delta of every pair under every control."""
    return {name: {effect_name(pair): pair.delta for pair in control.pairs} for name, control in made(result).items()}


def control_accuracies(result: Study) -> dict[str, dict[tuple[Space, int | None], float | None]]:
    """The balanced accuracy under every control, by space and layer."""
    return {
        name: {(one.space, one.layer): one.accuracy for one in control.separability}
        for name, control in made(result).items()
    }


def controls_refused(result: Study) -> list[tuple[str, str]]:
    """The controls that could not be made, and why."""
    found = result.controls or {}
    refused = {name: one.refused for name, one in found.items() if isinstance(one, Refused)}
    return [(CONTROL[name], refused[name]) for name in CONTROL if name in refused]


def made(result: Study) -> dict[str, ControlStudy]:
    """The controls that could be made, in the order of `CONTROL`; none has layers where an older version made it."""
    found = result.controls or {}
    studies = {name: one for name, one in found.items() if isinstance(one, ControlStudy)}
    return {name: studies[name] for name in CONTROL if name in studies}


def controls_text(result: Study) -> list[str]:
    """The section as paragraphs and rows of plain cells for the Markdown report: none without any control."""
    return [CAPTION, *(f"{name}: not made, because {why}." for name, why in controls_refused(result))]


def added_numbers(result: Study) -> Iterator[Row]:
    """Rows of the long table for the controls and for distances in words."""
    for name, control in made(result).items():
        table = f"control: {name}"
        yield from means_rows(table, control.overall, control.overall, control.layers)
        yield from pair_rows(table, control.pairs)
        yield from separability_rows(table, control.separability)
    words = result.distance_words
    if words is not None:
        for layer, groups in [(None, words.overall), *((row.layer, row.groups) for row in words.layers)]:
            yield from groups_rows("means", words.metric, layer, {name: groups[name] for name in words.overall})
        yield from pair_rows("paired", words.paired)
