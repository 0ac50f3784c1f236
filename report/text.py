"""The report as Markdown, for a repository or a terminal."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from attention.comparison.parts.effects import Mean
from attention.comparison.study import Study
from report.controls import controls_head, controls_rows, controls_text
from report.findings import findings
from report.first_window import HEAD, first_window_rows, first_window_text
from report.pairs import overall_pairs
from report.wording import effect_shown, mean_shown, metric_name, p_shown, shown, titled


def markdown(result: Study, request: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """The request, what was found and skipped, and the overall tables, in Markdown; every layer's and head's number is
    in the tidy table.
    """
    names = [group.name for group in result.groups]
    parts = [f"# {', '.join(map(_plain, names))}", "## What was found"]
    parts += [f"> {_plain(warned.message)}" for warned in result.warnings]
    parts.append("\n".join(f"- **{_plain(found.title)}.** {_plain(found.text)}" for found in findings(result)))
    skipped = [[g.name, reason, str(count)] for g in result.groups for reason, count in g.skipped.items()]
    parts += [
        "## Documents",
        _table(
            ["group", "model", "used", "skipped"],
            ([g.name, g.model, str(g.documents), str(g.skipped_total)] for g in result.groups),
        ),
    ]
    if skipped:
        parts.append(_table(["group", "reason", "documents"], skipped))
    rows = ([titled(m), *(_cell(result.overall[m][name]) for name in names)] for m in result.metrics)
    parts += ["## Means", _table(["metric", *names], rows)]
    pairs = sorted(overall_pairs(result), key=lambda pair: (pair.p_adjusted, -abs(pair.delta)))
    effects = ([metric_name(p.metric), p.a, p.b, effect_shown(p), p_shown(p.p_adjusted), p.test] for p in pairs)
    parts += ["## Effects", _table(["metric", "a", "b", "Cliff's delta", "adjusted", "test"], effects)]
    if result.first_window is not None:
        parts += ["## First window beside the whole document", *map(_plain, first_window_text(result))]
        beside = first_window_rows(result)
        if beside:
            parts.append(_table(list(HEAD), beside))
    if result.controls:
        parts += ["## With controls", *map(_plain, controls_text(result))]
        parts.append(_table(controls_head(result), controls_rows(result)))
    stated = {"seed": str(result.settings.seed), **result.versions, **versions}
    families = {f"{one.level}, {one.kind}": f"{one.tests} tests" for one in result.families}
    parts += [
        "## Seeds, families, versions",
        _table(["what", "value"], ([k, v] for k, v in (stated | families).items())),
    ]
    parts += [
        "## What was asked",
        "```json\n" + json.dumps(request, indent=2, ensure_ascii=False, sort_keys=True) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _cell(cell: Mean) -> str:
    return mean_shown(cell) if cell.low is not None else shown(cell.mean)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Names come from outside: they must not end a cell or start markup."""
    text = escape(text, quote=False)
    for sign in "\\`*_[]|#":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())
