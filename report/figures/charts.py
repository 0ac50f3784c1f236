"""The page's interactive figures, as plain data for plotly.js.

A colour that begins with `--` is one of the style sheet's, which follows light and dark; `+` and two digits after it
are its opacity. `meta` names what a legend's key shows and hides. `alt` says the figure in words.
"""

from html import escape
from typing import Any

from attention.comparison.parts.spaces import Chance, Map, Separability, Space
from attention.comparison.study import Study
from report.alternatives import curve_said, forest_said, heads_said, heat_said, map_said, separability_said
from report.figures.control_lines import control_means, control_separations
from report.figures.layered import layer_charts
from report.figures.legend import CHANCE, colour_name, dash, symbol
from report.pairs import overall_pairs
from report.wording import (
    SIGNIFICANT,
    SPACE,
    abridged,
    drawn_metrics,
    metric_name,
    p_shown,
    shown,
    titled,
    unit,
)

Chart = dict[str, Any]

_SVG_POINTS = 3_000  # more points than this are drawn by WebGL
_MEASURES = ("balanced accuracy", "neighbour purity", "silhouette")


def charts(result: Study) -> dict[str, Chart]:
    """Every figure by name; those that are chosen by metric are named `kind:metric`."""
    drawn: dict[str, Chart] = {}
    for metric in drawn_metrics(result):
        drawn[f"curve:{metric}"] = _curve(result, metric)
        drawn[f"heat:{metric}"] = _heat(result, metric)
        if any(pair.metric == metric for pair in overall_pairs(result)):
            drawn[f"forest:{metric}"] = _forest(result, metric)
        if metric in (result.heads or {}):
            drawn[f"heads:{metric}"] = _heads(result, metric)
    drawn |= layer_charts(result)
    for space in SPACE:
        if any(found.space == space and found.accuracy is not None for found in result.separability):
            drawn[f"separability:{space}"] = _separability(result, space)
    for number, mapped in enumerate(result.maps):
        drawn[f"map:{number}"] = _map(result, mapped)
    return drawn


def _chart(traces: list[Chart], alt: str, height: int, **layout: Any) -> Chart:
    return {"data": traces, "layout": {"showlegend": False, "height": height, **layout}, "alt": alt}


def _curve(result: Study, metric: str) -> Chart:
    layers = [row.layer for row in result.layers]
    traces: list[Chart] = []
    for number, group in enumerate(result.groups):
        cells = [row.metrics[metric][group.name] for row in result.layers]
        if all(cell.mean is None for cell in cells):
            continue
        colour, meta = colour_name(number), f"group:{group.name}"
        band = {"x": layers, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "meta": meta}
        traces.append({**band, "y": [cell.low for cell in cells]})
        traces.append({**band, "y": [cell.high for cell in cells]} | {"fill": "tonexty", "fillcolor": f"{colour}+2e"})
        traces.append(
            {
                "x": layers,
                "y": [cell.mean for cell in cells],
                "name": escape(group.name),
                "meta": meta,
                "mode": "lines+markers",
                "line": {"color": colour, "width": 2, "dash": dash(number)},
                "marker": {"color": colour, "symbol": symbol(number), "size": 6},
                "customdata": [[shown(cell.mean), shown(cell.low), shown(cell.high)] for cell in cells],
                "hovertemplate": "layer %{x}: %{customdata[0]} [%{customdata[1]}, %{customdata[2]}]",
            }
        )
    return _chart(
        [*control_means(result, metric), *traces],
        curve_said(result, metric),
        240,
        xaxis=_layer_axis(len(layers)),
        yaxis={"title": {"text": unit(metric)}},
    )


def _layer_axis(layers: int) -> Chart:
    return {"title": {"text": "layer"}, "dtick": 1 if layers <= 12 else 4, "zeroline": False}


def _named_rows(names: list[str]) -> Chart:
    """An axis with a name at each whole number from 0 on, downwards."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [escape(name) for name in names],
        "range": [len(names) - 0.5, -0.5],
        "zeroline": False,
        "showgrid": False,
    }


def _heat(result: Study, metric: str) -> Chart:
    names = [group.name for group in result.groups]
    rows = [[row.metrics[metric][name].mean for row in result.layers] for name in names]
    text = [[shown(value) for value in row] for row in rows]
    trace = {
        "type": "heatmap",
        "z": rows,
        "x": [row.layer for row in result.layers],
        "colorscale": "Cividis",
        "text": text,
        "customdata": [[escape(name)] * len(row) for name, row in zip(names, rows, strict=True)],
        "hovertemplate": "%{customdata}, layer %{x}: %{text}<extra></extra>",
        "colorbar": {"title": {"text": titled(metric)}},
        "texttemplate": "%{text}",
        "xgap": 1,
        "ygap": 1,
    }
    return _chart(
        [trace],
        heat_said(result, metric),
        130 + 42 * len(names),
        xaxis={**_layer_axis(len(result.layers)), "showgrid": False},
        yaxis=_named_rows([abridged(name) for name in names]),
    )


def _forest(result: Study, metric: str) -> Chart:
    pairs = [pair for pair in overall_pairs(result) if pair.metric == metric]
    trace = {
        "x": [pair.delta for pair in pairs],
        "y": list(range(len(pairs))),
        "mode": "markers",
        "marker": {
            "size": 10,
            "color": "--accent",
            "symbol": ["circle" if pair.p_adjusted < SIGNIFICANT else "circle-open" for pair in pairs],
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [pair.high - pair.delta for pair in pairs],
            "arrayminus": [pair.delta - pair.low for pair in pairs],
            "thickness": 2,
            "width": 4,
            "color": "--accent",
        },
        "text": [escape(f"{pair.a} – {pair.b}") for pair in pairs],
        "customdata": [[shown(p.delta), shown(p.low), shown(p.high), p_shown(p.p_adjusted)] for p in pairs],
        "hovertemplate": "%{text}: %{customdata[0]} [%{customdata[1]}, %{customdata[2]}], adjusted %{customdata[3]}"
        "<extra></extra>",
    }
    rows = _named_rows([f"{abridged(pair.a, 22)} – {abridged(pair.b, 22)}" for pair in pairs])
    return _chart(
        [trace],
        forest_said(result, metric),
        110 + 36 * len(pairs),
        xaxis={"range": [-1.08, 1.08], "title": {"text": f"Cliff's delta, {metric_name(metric)}"}, "zeroline": True},
        yaxis={**rows, "showgrid": True},
    )


def _heads(result: Study, metric: str) -> Chart:
    assert result.heads is not None
    found = result.heads[metric]
    epsilon, p = found.epsilon_squared, found.p_adjusted
    names = list(found.means)
    text = [
        [
            f"epsilon² {shown(value)}, adjusted {p_shown(p[layer][head])}"
            + "".join(f"<br>{escape(name)}: {shown(found.means[name][layer][head])}" for name in names)
            for head, value in enumerate(row)
        ]
        for layer, row in enumerate(epsilon)
    ]
    passed = [
        (head, layer)
        for layer, row in enumerate(p)
        for head, value in enumerate(row)
        if value is not None and value < SIGNIFICANT
    ]
    heat = {
        "type": "heatmap",
        "z": epsilon,
        "text": text,
        "colorscale": "Cividis",
        "zmin": 0,
        "hovertemplate": "layer %{y}, head %{x}<br>%{text}<extra></extra>",
        "colorbar": {"title": {"text": "epsilon squared"}},
        "xgap": 1,
        "ygap": 1,
    }
    dots = {
        "x": [head for head, _ in passed],
        "y": [layer for _, layer in passed],
        "mode": "markers",
        "hoverinfo": "skip",
        "marker": {"size": 6, "color": "#ffffff", "line": {"color": "#111111", "width": 1}},
    }
    whole = {"zeroline": False, "showgrid": False}
    return _chart(
        [heat, dots],
        heads_said(result, metric),
        140 + min(560, 30 * len(epsilon)),
        xaxis={**whole, "title": {"text": "head"}, "dtick": 1 if len(epsilon[0]) <= 16 else 4},
        yaxis={**whole, "title": {"text": "layer"}, "autorange": "reversed", "dtick": 1 if len(epsilon) <= 16 else 4},
    )


def _separability(result: Study, space: Space) -> Chart:
    rows = [one for one in result.separability if one.space == space and one.accuracy is not None]
    layered = [one for one in rows if one.layer is not None]
    layers = [one.layer for one in layered if one.layer is not None]
    traces = control_separations(result, space, layers) if layered else []
    values = [_beside_chance(one.accuracy, one.accuracy_permuted) for one in layered] or _measures(rows[0])
    strokes = (("circle", "solid"), ("diamond-open", "dash"), ("circle-open", "dot"))
    for found, (name, colour, _, _), (mark, stroke) in zip(zip(*values, strict=True), CHANCE, strokes, strict=True):
        if layered:
            place: Chart = {
                "x": layers,
                "y": list(found),
                "mode": "lines+markers",
                "line": {"color": colour, "width": 2, "dash": stroke},
                "hovertemplate": "layer %{x}: %{y:.3f}",
            }
        else:
            place = {
                "x": list(found),
                "y": list(range(len(_MEASURES))),
                "mode": "markers",
                "hovertemplate": "%{x:.3f}",
            }
        traces.append({**place, "name": name, "marker": {"color": colour, "symbol": mark, "size": 9}})
    if layered:
        axes = {"xaxis": _layer_axis(len(layered)), "yaxis": {"range": [0, 1.04], "title": {"text": "accuracy"}}}
    else:
        axes = {"xaxis": {}, "yaxis": {**_named_rows(list(_MEASURES)), "showgrid": True}}
    return _chart(traces, separability_said(result, space), 260, **axes)


def _measures(one: Separability) -> list[tuple[float | None, ...]]:
    """Each of `_MEASURES` beside chance."""
    return [
        _beside_chance(one.accuracy, one.accuracy_permuted),
        _beside_chance(one.neighbour_purity, one.neighbour_purity_permuted),
        _beside_chance(one.silhouette, one.silhouette_permuted),
    ]


def _beside_chance(value: float | None, chance: Chance | None) -> tuple[float | None, ...]:
    """A measure, the 95th percentile and the mean under permuted labels: in the order of `CHANCE`."""
    return (value, None, None) if chance is None else (value, chance.p95, chance.mean)


def _map(result: Study, mapped: Map) -> Chart:
    kind = "scattergl" if len(mapped.points) > _SVG_POINTS else "scatter"
    traces = []
    for number, group in enumerate(result.groups):
        points = [point for point in mapped.points if point.group == group.name]
        traces.append(
            {
                "type": kind,
                "x": [round(point.x, 4) for point in points],
                "y": [round(point.y, 4) for point in points],
                "text": [escape(point.analysis_id) for point in points],
                "name": escape(group.name),
                "meta": f"group:{group.name}",
                "mode": "markers",
                "marker": {
                    "color": colour_name(number),
                    "symbol": symbol(number),
                    "size": 8 if len(mapped.points) <= 1_000 else 5,
                    "opacity": 0.85,
                },
                "hovertemplate": "%{text}",
            }
        )
    bare = {"showticklabels": False, "zeroline": False, "title": {"text": ""}}
    edges = {"l": 8, "r": 8, "b": 8, "t": 30}  # above it the buttons
    return _chart(traces, map_said(mapped), 460, xaxis=bare, yaxis={**bare, "scaleanchor": "x"}, margin=edges)
