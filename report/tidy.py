"""Every number of a comparison, one a row."""

import csv
import io
from collections.abc import Iterator

from attention.comparison.study import Study
from report.controls import added_numbers
from report.first_window import first_window_numbers
from report.rows import COLUMNS, Row, level, means_rows, pair_rows, separability_rows


def tidy_rows(result: Study) -> Iterator[Row]:
    """All numbers of the result in one long table of `COLUMNS`; what is undefined has no value.

    `head` counts within its layer; a map's points have the document's id under `other_group`.
    """
    yield from _documents(result)
    yield from means_rows("means", result.metrics, result.overall, result.layers)
    yield from pair_rows("pairs", result.pairs)
    yield from pair_rows("paired", result.paired)
    yield from _heads(result)
    yield from first_window_numbers(result)
    yield from added_numbers(result)
    yield from separability_rows("separability", result.separability)
    yield from _maps(result)


def _documents(result: Study) -> Iterator[Row]:
    for group in result.groups:
        at = ("groups", "overall", "", "", None, None, group.name, "")
        yield (*at, "documents", group.documents)
        for reason, count in group.skipped.items():
            yield (*at, f"skipped: {reason}", count)


def _heads(result: Study) -> Iterator[Row]:
    for metric, found in (result.heads or {}).items():
        tables = [
            ("epsilon_squared", "", found.epsilon_squared),
            ("p", "", found.p),
            ("p_adjusted", "", found.p_adjusted),
            ("p_familywise", "", found.p_familywise),
            *(("mean", group, values) for group, values in found.means.items()),
        ]
        for quantity, group, values in tables:
            for layer, row in enumerate(values):
                for head, value in enumerate(row):
                    yield ("heads", "head", metric, "", layer, head, group, "", quantity, value)


def _maps(result: Study) -> Iterator[Row]:
    for drawn in result.maps:
        where = ("maps", level(drawn.layer), "", drawn.space, drawn.layer, None)
        yield (*where, "", "", "trustworthiness", drawn.trustworthiness)
        for point in drawn.points:
            at = (*where, point.group, point.analysis_id)
            yield (*at, "x", point.x)
            yield (*at, "y", point.y)


def tidy_csv(result: Study) -> str:
    """The long table as CSV with a header; numbers as written by `repr`, so that none loses a digit.

    Names that a spreadsheet would take for a formula get a leading apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in tidy_rows(result):
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
