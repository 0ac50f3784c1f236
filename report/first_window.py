"""Every effect over the whole document beside the same effect in the documents' first windows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attention.comparison.parts.repeated import Beside, Difference, FirstWindow, Refused
from attention.comparison.study import Study
from report.rows import Row, means_rows, pair_rows
from report.wording import SIGNIFICANT, fixed, metric_name, p_column

HEAD: Final = ("effect", "over the document", "adjusted p", "first window", "adjusted p", "differs")
CAPTION: Final = (
    "The result above reads every document in windows spread over it. Here each document's first window, as long as "
    "the others, is measured by itself and compared in the same way: how a document begins need not be how it goes on."
)
DIFFERS: Final[Mapping[Difference | None, str]] = {
    "turned": "sign turned",
    "document-only": "over the document only",
    "first-window-only": "in the first window only",
    None: "",
}


def first_window(result: Study) -> dict[str, Any]:
    """What the page's section on the first window needs."""
    return {
        "shown": result.first_window is not None,
        "text": first_window_text(result),
        "head": HEAD,
        "rows": first_window_rows(result),
    }


def first_window_text(result: Study) -> list[str]:
    """The section's paragraphs: none where no first window was requested."""
    found = result.first_window
    if found is None:
        return []
    if isinstance(found, Refused):
        return [CAPTION, f"Not made, because {found.refused}."]
    return [CAPTION, _counted(found.effects)]


def first_window_rows(result: Study) -> list[list[str]]:
    """One row for each pair of groups on each metric: those that differ first, then by size over the document."""
    effects = result.first_window.effects if isinstance(result.first_window, FirstWindow) else ()
    ordered = sorted(effects, key=lambda one: (one.differs is None, -abs(one.delta)))
    return [
        [
            f"{metric_name(one.metric)}: {one.a} – {one.b}{', paired' if one.paired else ''}",
            fixed(one.delta),
            p_column(one.p_adjusted),
            fixed(one.first_delta),
            p_column(one.first_p_adjusted),
            DIFFERS[one.differs],
        ]
        for one in ordered
    ]


def first_window_numbers(result: Study) -> Iterator[Row]:
    """Rows of the long table: every group's means and every pair's effects, overall and by layer."""
    found = result.first_window
    if isinstance(found, FirstWindow):
        yield from means_rows("first window", found.overall, found.overall, found.layers)
        yield from pair_rows("first window", found.pairs)
        yield from pair_rows("first window, paired", found.paired)


def _counted(effects: Sequence[Beside]) -> str:
    """How many effects are found in the one, in the other and in both."""
    over = [one for one in effects if _passed(one.p_adjusted)]
    first = [one for one in effects if _passed(one.first_p_adjusted)]
    both = [one for one in over if _passed(one.first_p_adjusted) and one.delta * one.first_delta > 0]
    turned = [one for one in effects if one.differs == "turned"]
    return (
        f"Of {len(effects)} effects over all layers that both have, {len(over)} have an adjusted p below {SIGNIFICANT} "
        f"over the document and {len(first)} in the first window; {len(both)} have it in both with the same sign. "
        f"{len(turned)} of those over the document have the opposite sign in the first window."
    )


def _passed(p: float | None) -> bool:
    return p is not None and p < SIGNIFICANT
