"""The report as one HTML page that needs nothing but itself."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from attention.comparison.study import Study
from report.controls import controls
from report.figures.charts import charts
from report.figures.control_lines import control_keys
from report.figures.layered import layer_table
from report.figures.legend import CHANCE, legend
from report.findings import findings
from report.first_window import first_window
from report.matrix import matrix
from report.pairs import overall_pairs
from report.summary import summary
from report.wording import (
    METRIC,
    NIGHT_PALETTE,
    PALETTE,
    SPACE,
    drawn_metrics,
    fixed,
    listed,
    metric_name,
    p_column,
    p_shown,
    shown,
    titled,
    unbroken,
)

_PAIRS_SHOWN = 400
_GROUPS_NAMED = 6


def build_report(result: Study, request: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """The comparison as a self-contained page: no address is ever loaded, plotly.js stands in it once.

    Args:
        result: what the comparison gave.
        request: the request, shown as it was sent.
        versions: further names and versions (the model's revision, this program), shown beside the result's own.
    """
    drawn = charts(result)
    order = sorted(overall_pairs(result), key=lambda pair: (pair.p_adjusted, -abs(pair.delta)))
    template = _environment().get_template("page.html")
    return template.render(
        result=result,
        request=json.dumps(request, indent=2, ensure_ascii=False, sort_keys=True),
        versions={**result.versions, **versions},
        heading=_heading(result),
        summary=summary(result),
        findings=findings(result),
        first_window=first_window(result),
        controls=controls(result),
        legend=legend(result),
        chance_marks=CHANCE,
        matrix=matrix(result),
        layer_table=layer_table(result),
        control_keys=control_keys(result),
        pairs=order[:_PAIRS_SHOWN],
        pairs_left=max(0, len(order) - _PAIRS_SHOWN),
        charts=drawn,
        by_kind={kind: [name.split(":", 1)[1] for name in drawn if name.startswith(kind)] for kind in _KINDS},
        first_metric=_first_metric(result),
        figures=Markup(_script_json(drawn)),
        plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
        style=Markup(_style()),
        script=Markup(files("report").joinpath("templates/page.js").read_text(encoding="utf-8")),
        definitions=METRIC,
    )


_KINDS = ("curve:", "heat:", "forest:", "layers:", "heads:", "separability:", "map:")


def _heading(result: Study) -> str:
    """The groups by name, where these are few enough to be read at once."""
    names = [group.name for group in result.groups]
    return listed(names) if len(names) <= _GROUPS_NAMED else f"{len(names)} groups of documents"


def _first_metric(result: Study) -> str:
    """The metric that chosen figures open with: that of the largest overall effect."""
    pairs = overall_pairs(result)
    if pairs:
        return max(pairs, key=lambda pair: abs(pair.delta)).metric
    return (drawn_metrics(result) or list(result.metrics))[0]


def _style() -> str:
    """The style sheet, with the groups' colours for light and for dark."""
    light, dark = (
        "".join(f"--series-{number}:{colour};" for number, colour in enumerate(palette))
        for palette in (PALETTE, NIGHT_PALETTE)
    )
    series = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root:not(.paper){{{dark}}}}}"
    return files("report").joinpath("templates/page.css").read_text(encoding="utf-8") + series


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": shown,
        "p_shown": p_shown,
        "fixed": fixed,
        "p_column": p_column,
        "words": metric_name,
        "titled": titled,
        "unbroken": unbroken,
        "listed": listed,
        "space": SPACE.__getitem__,
    }
    return environment


def _script_json(value: object) -> str:
    """JSON that can stand inside a script element whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
