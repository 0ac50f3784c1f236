"""Every effect beside what is left of it under each control."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from workers.report.wording import SPACE, metric_name, overall_pairs, shown

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


def controls(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's section on controls needs."""
    return {
        "asked": bool(result.get("controls")),
        "caption": CAPTION,
        "head": controls_head(result),
        "rows": controls_rows(result),
        "refused": controls_refused(result),
    }


def controls_head(result: Mapping[str, Any]) -> list[str]:
    """The columns of the table."""
    return ["effect", "as measured", *(CONTROL[name] for name in _made(result))]


def controls_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """One row for each pair of groups on each metric (Cliff's delta), then one for each space (accuracy)."""
    made = _made(result)
    deltas = {
        name: {(p["metric"], p["a"], p["b"]): p["delta"] for p in control["pairs"]} for name, control in made.items()
    }
    rows = []
    for pair in sorted(overall_pairs(result), key=lambda pair: -abs(pair["delta"])):
        key = (pair["metric"], pair["a"], pair["b"])
        label = f"{metric_name(pair['metric'])}: {pair['a']} – {pair['b']}"
        rows.append([label, shown(pair["delta"]), *(shown(deltas[name].get(key)) for name in made)])
    accuracies = {
        name: {one["space"]: one["accuracy"] for one in control["separability"]} for name, control in made.items()
    }
    for found in result["separability"]:
        if found["layer"] is None:
            label = f"accuracy from {SPACE[found['space']]}"
            rows.append(
                [label, shown(found["accuracy"]), *(shown(accuracies[name].get(found["space"])) for name in made)]
            )
    return rows


def controls_refused(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The controls that could not be made, and why."""
    controls = result.get("controls") or {}
    return [(CONTROL[name], controls[name]["refused"]) for name in CONTROL if "refused" in controls.get(name, {})]


def _made(result: Mapping[str, Any]) -> dict[str, Any]:
    controls = result.get("controls") or {}
    return {name: controls[name] for name in CONTROL if name in controls and "refused" not in controls[name]}


def controls_text(result: Mapping[str, Any]) -> list[str]:
    """The section as paragraphs and rows of plain cells for the Markdown report: none where no control was asked."""
    return [CAPTION, *(f"{name}: not made, because {why}." for name, why in controls_refused(result))]


def added_numbers(result: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of the long table (`tidy.COLUMNS`) for the controls and for distances in words."""
    for name, control in _made(result).items():
        table = f"control: {name}"
        for metric, groups in control["overall"].items():
            for group, cell in groups.items():
                for quantity in ("mean", "low", "high", "documents"):
                    yield (table, "overall", metric, "", None, None, group, "", quantity, cell[quantity])
        for pair in control["pairs"]:
            for quantity in ("delta", "low", "high", "p", "p_adjusted"):
                at = (table, "overall", pair["metric"], "", None, None, pair["a"], pair["b"])
                yield (*at, quantity, pair[quantity])
        for found in control["separability"]:
            for quantity in ("silhouette", "neighbour_purity", "accuracy"):
                yield (table, "overall", "", found["space"], None, None, "", "", quantity, found[quantity])
    words = result.get("distance_words")
    if words:
        for layer, groups in [(None, words["overall"]), *((row["layer"], row) for row in words["layers"])]:
            level = "overall" if layer is None else "layer"
            for group in words["overall"]:
                for quantity in ("mean", "low", "high", "documents"):
                    value = groups[group][quantity]
                    yield ("means", level, words["metric"], "", layer, None, group, "", quantity, value)
        for pair in words["paired"]:
            for quantity in ("delta", "low", "high", "p", "p_adjusted"):
                at = ("paired", pair["level"], pair["metric"], "", pair["layer"], None, pair["a"], pair["b"])
                yield (*at, quantity, pair[quantity])
