"""Effects layer by layer, each beside what is left of it under the controls: figures of the largest, and a table."""

from typing import Any, Final

from attention.comparison.study import Study
from report.alternatives import layers_said
from report.controls import CONTROL, control_deltas, effect_name
from report.figures.control_lines import control_effects
from report.pairs import DefinedPair, layer_pairs, overall_pairs
from report.wording import SIGNIFICANT, fixed, metric_name, p_column, p_shown

Chart = dict[str, Any]

MOST_DRAWN: Final = 60
"""So many pairs have a figure of their layers: those with the largest effects over all layers."""

MOST_ROWS: Final = 400
"""So many effects of one layer stand in the page's table; `numbers.csv` has all."""


def layer_charts(result: Study) -> dict[str, Chart]:
    """Figures of effects by layer, named `layers:metric: a – b`, the largest effect over all layers first."""
    by_pair: dict[tuple[str, str, str], list[DefinedPair]] = {}
    for pair in layer_pairs(result):
        by_pair.setdefault((pair.metric, pair.a, pair.b), []).append(pair)
    largest = sorted(overall_pairs(result), key=lambda pair: -abs(pair.delta))
    chosen = [(pair.metric, pair.a, pair.b) for pair in largest]
    drawn = [one for one in chosen if one in by_pair][:MOST_DRAWN]
    return {f"layers:{metric_name(one[0])}: {one[1]} – {one[2]}": _chart(result, *one, by_pair[one]) for one in drawn}


def _chart(result: Study, metric: str, a: str, b: str, pairs: list[DefinedPair]) -> Chart:
    layers = [pair.layer for pair in pairs]
    band = {"x": layers, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    measured = {
        "x": layers,
        "y": [pair.delta for pair in pairs],
        "name": "as measured",
        "mode": "lines+markers",
        "line": {"color": "--accent", "width": 2},
        "marker": {
            "color": "--accent",
            "size": 8,
            "symbol": ["circle" if pair.p_adjusted < SIGNIFICANT else "circle-open" for pair in pairs],
        },
        "customdata": [[fixed(p.delta), fixed(p.low), fixed(p.high), p_shown(p.p_adjusted)] for p in pairs],
        "hovertemplate": "layer %{x}: %{customdata[0]} [%{customdata[1]}, %{customdata[2]}], adjusted %{customdata[3]}",
    }
    return {
        "data": [
            {**band, "y": [pair.low for pair in pairs]},
            {**band, "y": [pair.high for pair in pairs], "fill": "tonexty", "fillcolor": "--accent+26"},
            *control_effects(result, metric, a, b),
            measured,
        ],
        "layout": {
            "showlegend": False,
            "height": 320,
            "xaxis": {"title": {"text": "layer"}, "dtick": 1 if len(result.layers) <= 12 else 4, "zeroline": False},
            "yaxis": {"title": {"text": "Cliff's delta"}, "range": [-1.06, 1.06], "zeroline": True},
        },
        "alt": layers_said(metric, a, b, pairs),
    }


def layer_table(result: Study) -> dict[str, Any]:
    """`head` and `rows` of the table of effects in single layers, surest first, and how many are `left`."""
    deltas = control_deltas(result)
    tested = sorted(layer_pairs(result), key=lambda pair: (pair.p_adjusted, -abs(pair.delta)))
    rows = [
        {
            "effect": f"{metric_name(pair.metric)}: {pair.a} – {pair.b}",
            "pair": pair,
            "p": p_column(pair.p_adjusted),
            "controls": [fixed(found.get(effect_name(pair))) for found in deltas.values()],
        }
        for pair in tested[:MOST_ROWS]
    ]
    return {"controls": [CONTROL[name] for name in deltas], "rows": rows, "left": len(tested) - len(rows)}
