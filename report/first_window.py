"""Every effect over the whole document beside the same effect in the documents' first windows."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from report.wording import SIGNIFICANT, fixed, metric_name, p_column

Result = Mapping[str, Any]

HEAD: Final = ("effect", "over the document", "adjusted p", "first window", "adjusted p", "differs")
CAPTION: Final = (
    "The result above reads every document in windows spread over it. Here each document's first window, as long as "
    "the others, is measured by itself and compared in the same way: how a document begins need not be how it goes on."
)
DIFFERS: Final = {
    "turned": "sign turned",
    "document-only": "over the document only",
    "first-window-only": "in the first window only",
    None: "",
}


def first_window(result: Result) -> dict[str, Any]:
    """What the page's section on the first window needs."""
    return {
        "asked": bool(result.get("first_window")),
        "text": first_window_text(result),
        "head": HEAD,
        "rows": first_window_rows(result),
    }


def first_window_text(result: Result) -> list[str]:
    """The section's paragraphs: none where no first window was asked for."""
    found = result.get("first_window")
    if not found:
        return []
    if "refused" in found:
        return [CAPTION, f"Not made, because {found['refused']}."]
    return [CAPTION, _counted(found["effects"])]


def first_window_rows(result: Result) -> list[list[str]]:
    """One row for each pair of groups on each metric: those that differ first, then by size over the document."""
    effects = (result.get("first_window") or {}).get("effects", ())
    ordered = sorted(effects, key=lambda one: (one["differs"] is None, -abs(one["delta"])))
    return [
        [
            f"{metric_name(one['metric'])}: {one['a']} – {one['b']}{', paired' if one['paired'] else ''}",
            fixed(one["delta"]),
            p_column(one["p_adjusted"]),
            fixed(one["first_delta"]),
            p_column(one["first_p_adjusted"]),
            DIFFERS[one["differs"]],
        ]
        for one in ordered
    ]


def first_window_numbers(result: Result) -> Iterator[tuple[Any, ...]]:
    """Rows of the long table (`tidy.COLUMNS`): every group's means and every pair's effects, overall and by layer."""
    found = result.get("first_window") or {}
    if "overall" not in found:
        return
    for layer, row in [(None, found["overall"]), *((row["layer"], row) for row in found["layers"])]:
        level = "overall" if layer is None else "layer"
        for metric in found["overall"]:
            for group, cell in row[metric].items():
                for quantity in ("mean", "low", "high", "documents"):
                    yield ("first window", level, metric, "", layer, None, group, "", quantity, cell[quantity])
    for table, part in (("first window", "pairs"), ("first window, paired", "paired")):
        for pair in found.get(part, ()):
            for quantity in ("delta", "low", "high", "p", "p_adjusted"):
                at = (table, pair["level"], pair["metric"], "", pair["layer"], None, pair["a"], pair["b"])
                yield (*at, quantity, pair[quantity])


def _counted(effects: list[Mapping[str, Any]]) -> str:
    """How many effects are found in the one, in the other and in both."""
    over = [one for one in effects if _passed(one["p_adjusted"])]
    first = [one for one in effects if _passed(one["first_p_adjusted"])]
    both = [one for one in over if _passed(one["first_p_adjusted"]) and one["delta"] * one["first_delta"] > 0]
    turned = [one for one in effects if one["differs"] == "turned"]
    return (
        f"Of {len(effects)} effects over all layers that both have, {len(over)} have an adjusted p below {SIGNIFICANT} "
        f"over the document and {len(first)} in the first window; {len(both)} have it in both with the same sign. "
        f"{len(turned)} of those over the document have the opposite sign in the first window."
    )


def _passed(p: float | None) -> bool:
    return p is not None and p < SIGNIFICANT
