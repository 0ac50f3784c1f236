"""How numbers, metrics and spaces are said, the same in the page, the tables and the figures."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from attention.comparison.parts.effects import Mean
from attention.comparison.parts.spaces import Map, Space
from attention.comparison.study import Study
from attention.definitions import METRICS, Metric
from report.pairs import DefinedPair

METRIC: Final[Mapping[str, Metric]] = {metric.name: metric for metric in METRICS}
SPACE: Final[Mapping[Space, str]] = {"embedding": "document embeddings", "profile": "attention profiles"}
SIGNIFICANT: Final = 0.05

PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7F7F7F", "#B8A000")
"""Okabe & Ito's colours, told apart with every common colour blindness; its pale yellow is darkened for white paper."""

NIGHT_PALETTE: Final = ("#4D9FE0", "#E69F00", "#2FBF93", "#E29AC4", "#F07F3C", "#A8DCF9", "#A8A8A8", "#D6C24A")
"""The same hues in the same order, light enough for a dark page."""


def metric_name(metric: str) -> str:
    """The metric in plain words: `cross_speaker_lift` is `cross speaker lift`."""
    return metric.replace("_", " ")


def unit(metric: str) -> str:
    """The metric's unit for an axis; empty for pure numbers."""
    known = METRIC.get(metric)
    return known.unit if known is not None and known.unit != "1" else ""


def titled(metric: str) -> str:
    """The metric with its unit, as an axis has it."""
    return metric_name(metric) + (f" ({unit(metric)})" if unit(metric) else "")


def shown(value: float | None) -> str:
    """Three significant digits, or a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 6)}f}" if digits <= 6 else f"{value:.2e}"
    return text.replace("-", "−")


def p_shown(value: float | None) -> str:
    """`p = 0.012`, or `p < 0.001`; two significant digits."""
    if value is None:
        return "p not defined"
    if value < 0.001:
        return "p < 0.001"
    return f"p = {float(f'{value:.2g}'):.4g}"


def fixed(value: float | None) -> str:
    """Three decimals, for columns of numbers between -1 and 1."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.3f}".replace("-", "−")


def p_column(value: float | None) -> str:
    """Four decimals, for columns of p."""
    if value is None:
        return "–"
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def share(part: float) -> str:
    """A share as a percentage that says 100% only when it is all."""
    return "more than 99%" if 0.995 <= part < 1 else f"{part:.0%}"


def mean_shown(cell: Mean) -> str:
    """`12.3 [11.9, 12.8]`."""
    return f"{shown(cell.mean)} [{shown(cell.low)}, {shown(cell.high)}]"


def effect_shown(pair: DefinedPair) -> str:
    """`0.61 [0.48, 0.72]`."""
    return f"{shown(pair.delta)} [{shown(pair.low)}, {shown(pair.high)}]"


def space_of(mapped: Map) -> str:
    """What a map was made from: `document embeddings, layer 4`."""
    layer = "" if mapped.layer is None else f", layer {mapped.layer}"
    return SPACE[mapped.space] + layer


def unbroken(text: str) -> str:
    """The text with spaces at which no line ends inside intervals and after `p`."""
    return re.sub(r"\[[^\[\]]{1,40}\]|\bp [=<] ", lambda found: found[0].replace(" ", "\u00a0"), text)


def colours(result: Study) -> dict[str, str]:
    """One colour a group, in the result's order; they repeat after eight, where markers and dashes still differ."""
    return {group.name: PALETTE[i % len(PALETTE)] for i, group in enumerate(result.groups)}


def abridged(name: str, length: int = 26) -> str:
    """The name, cut where an axis would have no room for it."""
    return name if len(name) <= length else name[: length - 1].rstrip() + "…"


def drawn_metrics(result: Study) -> list[str]:
    """The metrics that have more than one value anywhere: what is always 0 or never defined is not drawn."""

    levels = [*(row.metrics for row in result.layers), result.overall]

    def varied(metric: str) -> bool:
        values = {cell.mean for level in levels for cell in level[metric].values()}
        return len(values - {None}) > 1

    return [metric for metric in result.metrics if varied(metric)]


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else "none"
