"""Every effect beside what is left of it under each control."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from report.wording import SPACE, fixed, metric_name, overall_pairs

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
    return ["effect", "as measured", *(CONTROL[name] for name in made(result))]


def controls_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """One row for each pair of groups on each metric over all layers (Cliff's delta), then one for each space and
    layer (accuracy).
    """
    deltas = control_deltas(result)
    rows = []
    for pair in sorted(overall_pairs(result), key=lambda pair: -abs(pair["delta"])):
        label = f"{metric_name(pair['metric'])}: {pair['a']} – {pair['b']}"
        rows.append([label, fixed(pair["delta"]), *(fixed(found.get(place(pair))) for found in deltas.values())])
    accuracies = control_accuracies(result)
    for found in result["separability"]:
        label = f"accuracy from {SPACE[found['space']]}" + (
            "" if found["layer"] is None else f", layer {found['layer']}"
        )
        key = (found["space"], found["layer"])
        rows.append([label, fixed(found["accuracy"]), *(fixed(one.get(key)) for one in accuracies.values())])
    return rows


def place(pair: Mapping[str, Any]) -> tuple[str, int | None, str, str]:
    """What a pair's effect is of: metric, layer (None over all) and the two groups."""
    return pair["metric"], pair["layer"], pair["a"], pair["b"]


def control_deltas(result: Mapping[str, Any]) -> dict[str, dict[tuple[str, int | None, str, str], float | None]]:
    """Cliff's delta of every pair under every control, by `place`."""
    return {name: {place(pair): pair["delta"] for pair in control["pairs"]} for name, control in made(result).items()}


def control_accuracies(result: Mapping[str, Any]) -> dict[str, dict[tuple[str, int | None], float | None]]:
    """The balanced accuracy under every control, by space and layer."""
    return {
        name: {(one["space"], one.get("layer")): one["accuracy"] for one in control["separability"]}
        for name, control in made(result).items()
    }


def controls_refused(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The controls that could not be made, and why."""
    controls = result.get("controls") or {}
    return [(CONTROL[name], controls[name]["refused"]) for name in CONTROL if "refused" in controls.get(name, {})]


def made(result: Mapping[str, Any]) -> dict[str, Any]:
    """The controls that could be made, in the order of `CONTROL`; none has layers where an older version made it."""
    controls = result.get("controls") or {}
    return {
        name: {"layers": [], **controls[name]}
        for name in CONTROL
        if name in controls and "refused" not in controls[name]
    }


def controls_text(result: Mapping[str, Any]) -> list[str]:
    """The section as paragraphs and rows of plain cells for the Markdown report: none where no control was asked."""
    return [CAPTION, *(f"{name}: not made, because {why}." for name, why in controls_refused(result))]


def added_numbers(result: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of the long table (`tidy.COLUMNS`) for the controls and for distances in words."""
    for name, control in made(result).items():
        table = f"control: {name}"
        for layer, row in [(None, control["overall"]), *((row["layer"], row) for row in control["layers"])]:
            level = "overall" if layer is None else "layer"
            for metric in control["overall"]:
                for group, cell in row[metric].items():
                    for quantity in ("mean", "low", "high", "documents"):
                        yield (table, level, metric, "", layer, None, group, "", quantity, cell[quantity])
        for pair in control["pairs"]:
            for quantity in ("delta", "low", "high", "p", "p_adjusted"):
                at = (table, pair["level"], pair["metric"], "", pair["layer"], None, pair["a"], pair["b"])
                yield (*at, quantity, pair[quantity])
        for found in control["separability"]:
            layer = found.get("layer")
            level = "overall" if layer is None else "layer"
            for measure in ("silhouette", "neighbour_purity", "accuracy"):
                at = (table, level, "", found["space"], layer, None, "", "")
                yield (*at, measure, found[measure])
                for quantity, value in (found[f"{measure}_permuted"] or {}).items():
                    yield (*at, f"{measure}_permuted_{quantity}", value)
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
