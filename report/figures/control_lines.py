"""What the controls gave, as thin lines in the figures of layers; a legend's key shows each, none is shown at first."""

from html import escape
from typing import Any, Final

from attention.comparison.parts.spaces import Space
from attention.comparison.study import Study
from report.controls import CONTROL, control_accuracies, control_deltas, made
from report.figures.legend import colour_name
from report.wording import fixed, shown

Chart = dict[str, Any]

_DASHES: Final = {
    "untrained": ("dot", "1.5 3"),
    "shuffled_tokens": ("dash", "5 3"),
    "shuffled_turns": ("dashdot", "6 2.5 1.5 2.5"),
    "permuted_speakers": ("longdash", "9 3"),
}
"""What plotly.js calls a control's dash, and the same as SVG's `stroke-dasharray`."""


def control_keys(result: Study) -> list[dict[str, str]]:
    """Every control that was made: what its key switches, its name and its dash."""
    return [{"toggle": _key(name), "name": CONTROL[name], "dash": _DASHES[name][1]} for name in made(result)]


def control_means(result: Study, metric: str) -> list[Chart]:
    """Each group's mean by layer under each control, in the group's colour."""
    lines = []
    for name, control in made(result).items():
        for number, group in enumerate(result.groups):
            found = [(row.layer, row.metrics.get(metric, {}).get(group.name)) for row in control.layers]
            cells = [(layer, None if cell is None else cell.mean) for layer, cell in found]
            line = _line(name, cells, colour_name(number), shown)
            line["meta"] = [f"group:{group.name}", _key(name)]
            line["name"] = f"{escape(group.name)}, {CONTROL[name]}"
            lines.append(line)
    return lines


def control_effects(result: Study, metric: str, a: str, b: str) -> list[Chart]:
    """Cliff's delta of two groups by layer under each control."""
    layers = [row.layer for row in result.layers]
    return [
        _line(name, [(layer, found.get((metric, layer, a, b))) for layer in layers], "--limit", fixed)
        for name, found in control_deltas(result).items()
    ]


def control_separations(result: Study, space: Space, layers: list[int]) -> list[Chart]:
    """The balanced accuracy by layer under each control."""
    return [
        _line(name, [(layer, found.get((space, layer))) for layer in layers], "--accent", fixed)
        for name, found in control_accuracies(result).items()
    ]


def _key(name: str) -> str:
    return f"control:{name}"


def _line(name: str, cells: list[tuple[int, float | None]], colour: str, said: Any) -> Chart:
    return {
        "x": [layer for layer, _ in cells],
        "y": [value for _, value in cells],
        "name": CONTROL[name],
        "meta": [_key(name)],
        "mode": "lines",
        "line": {"color": colour, "width": 1.4, "dash": _DASHES[name][0]},
        "customdata": [said(value) for _, value in cells],
        "hovertemplate": "layer %{x}: %{customdata}",
    }
