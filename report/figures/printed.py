"""Figures for print: SVG, PNG at 300 dots an inch, and PDF, by matplotlib without any window."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from attention.comparison.study import Study
from report.pairs import overall_pairs
from report.wording import colours, drawn_metrics, metric_name, space_of, titled

Format = Literal["svg", "png", "pdf"]

_STYLES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_SETTINGS: Final = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "svg.fonttype": "none",
    "svg.hashsalt": "hearken",  # ids inside an SVG depend on nothing else: the same bytes every time
    "pdf.fonttype": 42,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar sign in a group's name is a dollar sign
}


def figure_names(result: Study) -> list[str]:
    """Names of all figures of this result, such as `curve-distance`, `forest-entropy` or `map-embedding`."""
    return sorted(_figures(result))


def figure(result: Study, name: str, form: Format) -> bytes:
    """One figure as a file.

    Raises:
        KeyError: the result has no figure of this name.
    """
    draw, width, height = _figures(result)[name]
    with rc_context(_SETTINGS):
        drawn = Figure(figsize=(width, height), layout="constrained")
        draw(drawn.add_subplot())
        file = io.BytesIO()
        dateless: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
        drawn.savefig(file, format=form, dpi=300, metadata=dateless[form])
    return file.getvalue()


def _figures(result: Study) -> dict[str, tuple[Callable[[Axes], None], float, float]]:
    """Name -> (what draws it, width and height in inches)."""
    found: dict[str, tuple[Callable[[Axes], None], float, float]] = {}
    groups, tested = len(result.groups), overall_pairs(result)
    for metric in drawn_metrics(result):
        dashed = metric.replace("_", "-")
        found[f"curve-{dashed}"] = (_bound(_curve, result, metric), 4.6, 3.0)
        found[f"heat-{dashed}"] = (_bound(_heat, result, metric), 5.2, 1.4 + 0.32 * groups)
        pairs = sum(pair.metric == metric for pair in tested)
        if pairs:
            found[f"forest-{dashed}"] = (_bound(_forest, result, metric), 5.2, 1.0 + 0.28 * pairs)
        if metric in (result.heads or {}):
            layers = len(result.layers)
            found[f"heads-{dashed}"] = (_bound(_heads, result, metric), 5.2, 1.4 + min(5.0, 0.26 * layers))
    for index, mapped in enumerate(result.maps):
        layer = "" if mapped.layer is None else f"-layer-{mapped.layer}"
        found[f"map-{mapped.space}{layer}"] = (_bound(_map, result, index), 4.6, 4.6)
    return found


def _bound(draw: Callable[[Axes, Study, Any], None], result: Study, what: str | int) -> Callable[[Axes], None]:
    return lambda axes: draw(axes, result, what)


def _curve(axes: Axes, result: Study, metric: str) -> None:
    layers = [row.layer for row in result.layers]
    for i, (name, colour) in enumerate(colours(result).items()):
        cells = [row.metrics[metric][name] for row in result.layers]
        mean, low, high = (_numbers([getattr(cell, k) for cell in cells]) for k in ("mean", "low", "high"))
        if np.isnan(mean).all():
            continue
        axes.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            layers,
            mean,
            color=colour,
            label=name,
            markersize=3.5,
            linewidth=1.4,
            linestyle=_STYLES[i % len(_STYLES)],
            marker=_MARKERS[i % len(_MARKERS)],
        )
    axes.set_xlabel("layer")
    axes.set_ylabel(titled(metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=4, fontsize=8)


def _numbers(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values])


def _heat(axes: Axes, result: Study, metric: str) -> None:
    names = [group.name for group in result.groups]
    rows = np.array([_numbers([row.metrics[metric][name].mean for row in result.layers]) for name in names])
    image = axes.imshow(rows, aspect="auto", cmap="cividis")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("layer")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _bar(axes, image, titled(metric))


def _bar(axes: Axes, image: Any, label: str) -> None:
    drawn = axes.get_figure()
    assert drawn is not None
    drawn.colorbar(image, ax=axes, label=label, pad=0.02)


def _forest(axes: Axes, result: Study, metric: str) -> None:
    pairs = [pair for pair in overall_pairs(result) if pair.metric == metric]
    for row, pair in enumerate(pairs):
        filled = "#0072B2" if pair.p_adjusted < 0.05 else "white"
        axes.plot([pair.low, pair.high], [row, row], color="#0072B2", linewidth=1.4)
        axes.plot(pair.delta, row, marker="o", markersize=6, color="#0072B2", markerfacecolor=filled)
    axes.axvline(0, color="#7F7F7F", linewidth=0.7)
    axes.set_yticks(range(len(pairs)), [f"{pair.a} – {pair.b}" for pair in pairs])
    axes.invert_yaxis()
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel(f"Cliff's delta, {metric_name(metric)} (filled: adjusted p below 0.05)")


def _heads(axes: Axes, result: Study, metric: str) -> None:
    assert result.heads is not None
    found = result.heads[metric]
    epsilon = np.array([_numbers(row) for row in found.epsilon_squared])
    p = np.array([_numbers(row) for row in found.p_adjusted])
    image = axes.imshow(epsilon, aspect="auto", cmap="cividis", vmin=0)
    layer, head = np.nonzero(p < 0.05)
    axes.scatter(head, layer, s=10, color="white", edgecolors="black", linewidths=0.5)
    axes.set_xlabel(f"head, {metric_name(metric)} (dots: adjusted p below 0.05)")
    axes.set_ylabel("layer")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _bar(axes, image, "epsilon squared")


def _map(axes: Axes, result: Study, index: int) -> None:
    mapped = result.maps[index]
    for i, (name, colour) in enumerate(colours(result).items()):
        at = np.array([(point.x, point.y) for point in mapped.points if point.group == name]).reshape(-1, 2)
        size = 18 if len(mapped.points) <= 1000 else 5
        axes.scatter(
            at[:, 0],
            at[:, 1],
            s=size,
            color=colour,
            marker=_MARKERS[i % len(_MARKERS)],
            label=name,
            alpha=0.8,
            linewidths=0,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(
        f"t-SNE of {space_of(mapped)}; perplexity {mapped.perplexity:.3g}, "
        f"trustworthiness {mapped.trustworthiness:.2f}",
        fontsize=8,
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=4, fontsize=8)
