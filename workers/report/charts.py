"""The page's interactive figures, as plain data for plotly.js; colours that follow light and dark are set in the
page.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from workers.report.wording import (
    SPACE,
    colours,
    drawn_metrics,
    metric_name,
    overall_pairs,
    p_shown,
    shown,
    titled,
    unit,
)

Result = Mapping[str, Any]
Chart = dict[str, Any]

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")
_SVG_POINTS = 3_000  # more points than this are drawn by WebGL


def charts(result: Result) -> dict[str, Chart]:
    """Every figure by name; those that are chosen by metric are named `kind:metric`."""
    drawn: dict[str, Chart] = {}
    for metric in drawn_metrics(result):
        drawn[f"curve:{metric}"] = _curve(result, metric)
        drawn[f"heat:{metric}"] = _heat(result, metric)
        if any(pair["metric"] == metric for pair in overall_pairs(result)):
            drawn[f"forest:{metric}"] = _forest(result, metric)
        if metric in (result.get("heads") or {}):
            drawn[f"heads:{metric}"] = _heads(result, metric)
    for space in SPACE:
        if any(found["space"] == space and found["accuracy"] is not None for found in result["separability"]):
            drawn[f"separability:{space}"] = _separability(result, space)
    for number, mapped in enumerate(result["maps"]):
        drawn[f"map:{number}"] = _map(result, mapped)
    return drawn


def _curve(result: Result, metric: str) -> Chart:
    layers = [row["layer"] for row in result["layers"]]
    traces: list[Chart] = []
    for i, (name, colour) in enumerate(colours(result).items()):
        cells = [row[metric][name] for row in result["layers"]]
        if all(cell["mean"] is None for cell in cells):
            continue
        band = {"x": layers, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        traces.append({**band, "y": [cell["low"] for cell in cells], "legendgroup": escape(name)})
        traces.append(
            {**band, "y": [cell["high"] for cell in cells], "legendgroup": escape(name)}
            | {"fill": "tonexty", "fillcolor": colour + "2e"}
        )
        traces.append(
            {
                "x": layers,
                "y": [cell["mean"] for cell in cells],
                "name": escape(name),
                "legendgroup": escape(name),
                "mode": "lines+markers",
                "line": {"color": colour, "width": 2, "dash": _DASHES[i % len(_DASHES)]},
                "marker": {"symbol": _SYMBOLS[i % len(_SYMBOLS)], "size": 6},
                "customdata": [[shown(cell["mean"]), shown(cell["low"]), shown(cell["high"])] for cell in cells],
                "hovertemplate": "layer %{x}: %{customdata[0]} [%{customdata[1]}, %{customdata[2]}]",
            }
        )
    axes = {"xaxis": _layer_axis(len(layers)), "yaxis": {"title": {"text": unit(metric)}, "automargin": True}}
    return {"data": traces, "layout": {**axes, "showlegend": False, "height": 260}}


def _layer_axis(layers: int) -> Chart:
    return {"title": {"text": "layer"}, "dtick": 1 if layers <= 16 else 4, "zeroline": False}


def _heat(result: Result, metric: str) -> Chart:
    names = [group["name"] for group in result["groups"]]
    rows = [[row[metric][name]["mean"] for row in result["layers"]] for name in names]
    trace = {
        "type": "heatmap",
        "z": rows,
        "x": [row["layer"] for row in result["layers"]],
        "y": [escape(name) for name in names],
        "colorscale": "Cividis",
        "text": [[shown(value) for value in row] for row in rows],
        "hovertemplate": "%{y}, layer %{x}: %{text}<extra></extra>",
        "colorbar": {"title": {"text": titled(metric), "side": "right"}, "thickness": 12},
        "xgap": 1,
        "ygap": 1,
    }
    if len(rows[0]) <= 12:
        trace["texttemplate"] = "%{text}"
    layout = {
        "xaxis": _layer_axis(len(result["layers"])),
        "yaxis": {"autorange": "reversed", "automargin": True},
        "height": 130 + 42 * len(names),
    }
    return {"data": [trace], "layout": layout}


def _forest(result: Result, metric: str) -> Chart:
    pairs = [pair for pair in overall_pairs(result) if pair["metric"] == metric]
    labels = [escape(f"{pair['a']} – {pair['b']}") for pair in pairs]
    trace = {
        "x": [pair["delta"] for pair in pairs],
        "y": labels,
        "mode": "markers",
        "marker": {
            "size": 10,
            "color": "#0072B2",
            "symbol": ["circle" if pair["p_adjusted"] < 0.05 else "circle-open" for pair in pairs],
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [pair["high"] - pair["delta"] for pair in pairs],
            "arrayminus": [pair["delta"] - pair["low"] for pair in pairs],
            "thickness": 2,
            "width": 4,
            "color": "#0072B2",
        },
        "customdata": [[shown(p["delta"]), shown(p["low"]), shown(p["high"]), p_shown(p["p_adjusted"])] for p in pairs],
        "hovertemplate": "%{y}: %{customdata[0]} [%{customdata[1]}, %{customdata[2]}], adjusted %{customdata[3]}"
        "<extra></extra>",
    }
    layout = {
        "xaxis": {"range": [-1.08, 1.08], "title": {"text": f"Cliff's delta, {metric_name(metric)}"}, "zeroline": True},
        "yaxis": {"autorange": "reversed", "automargin": True},
        "height": 110 + 34 * len(pairs),
    }
    return {"data": [trace], "layout": layout}


def _heads(result: Result, metric: str) -> Chart:
    found = result["heads"][metric]
    epsilon, p = found["epsilon_squared"], found["p_adjusted"]
    names = list(found["means"])
    text = [
        [
            f"epsilon² {shown(value)}, adjusted {p_shown(p[layer][head])}"
            + "".join(f"<br>{escape(name)}: {shown(found['means'][name][layer][head])}" for name in names)
            for head, value in enumerate(row)
        ]
        for layer, row in enumerate(epsilon)
    ]
    passed = [
        (head, layer)
        for layer, row in enumerate(p)
        for head, value in enumerate(row)
        if value is not None and value < 0.05
    ]
    heat = {
        "type": "heatmap",
        "z": epsilon,
        "text": text,
        "colorscale": "Cividis",
        "zmin": 0,
        "hovertemplate": "layer %{y}, head %{x}<br>%{text}<extra></extra>",
        "colorbar": {"title": {"text": "epsilon squared", "side": "right"}, "thickness": 12},
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
    layout = {
        "xaxis": {"title": {"text": "head"}, "zeroline": False, "showgrid": False},
        "yaxis": {"title": {"text": "layer"}, "autorange": "reversed", "zeroline": False, "showgrid": False},
        "showlegend": False,
        "height": 140 + min(560, 30 * len(epsilon)),
    }
    return {"data": [heat, dots], "layout": layout}


def _separability(result: Result, space: str) -> Chart:
    rows = [one for one in result["separability"] if one["space"] == space and one["accuracy"] is not None]
    layered = [one for one in rows if one["layer"] is not None]
    drawn = layered or rows
    x = [one["layer"] if layered else "all layers" for one in drawn]
    mode = "lines+markers" if layered else "markers"
    traces = [
        {
            "x": x,
            "y": [one["accuracy"] for one in drawn],
            "name": "balanced accuracy",
            "mode": mode,
            "line": {"color": "#0072B2", "width": 2},
            "marker": {"size": 8},
        },
        {
            "x": x,
            "y": [one["accuracy_permuted"]["p95"] for one in drawn],
            "name": "permuted labels, 95th percentile",
            "mode": mode,
            "line": {"color": "#D55E00", "dash": "dash", "width": 1.5},
            "marker": {"symbol": "line-ew-open", "size": 12},
        },
        {
            "x": x,
            "y": [one["accuracy_permuted"]["mean"] for one in drawn],
            "name": "permuted labels, mean",
            "mode": mode,
            "line": {"color": "#7F7F7F", "dash": "dot", "width": 1.5},
            "marker": {"symbol": "line-ew-open", "size": 12},
        },
    ]
    layout = {
        "xaxis": _layer_axis(len(layered)) if layered else {},
        "yaxis": {"range": [0, 1.04], "title": {"text": "balanced accuracy"}, "automargin": True},
        "legend": {"orientation": "h", "y": -0.28},
        "height": 330,
    }
    return {"data": traces, "layout": layout}


def _map(result: Result, mapped: Mapping[str, Any]) -> Chart:
    kind = "scattergl" if len(mapped["points"]) > _SVG_POINTS else "scatter"
    traces = []
    for i, (name, colour) in enumerate(colours(result).items()):
        points = [point for point in mapped["points"] if point["group"] == name]
        traces.append(
            {
                "type": kind,
                "x": [round(point["x"], 4) for point in points],
                "y": [round(point["y"], 4) for point in points],
                "text": [escape(point["analysis_id"]) for point in points],
                "name": escape(name),
                "mode": "markers",
                "marker": {"color": colour, "symbol": _SYMBOLS[i % len(_SYMBOLS)], "size": 8, "opacity": 0.85},
                "hovertemplate": "%{text}",
            }
        )
    bare = {"showticklabels": False, "zeroline": False, "title": {"text": ""}}
    layout = {
        "xaxis": bare,
        "yaxis": {**bare, "scaleanchor": "x"},
        "legend": {"orientation": "h", "y": -0.06},
        "height": 460,
    }
    return {"data": traces, "layout": layout}
