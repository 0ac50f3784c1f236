"""Every number of a comparison, one a row."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from report.controls import added_numbers
from report.first_window import first_window_numbers

COLUMNS = ("table", "level", "metric", "space", "layer", "head", "group", "other_group", "quantity", "value")
Row = tuple[str, str, str, str, int | None, int | None, str, str, str, float | int | None]


def tidy_rows(result: Mapping[str, Any]) -> Iterator[Row]:
    """All numbers of the result in one long table of `COLUMNS`; what is undefined has no value.

    `head` counts within its layer; a map's points have the document's id under `other_group`.
    """
    yield from _means(result)
    for table in ("pairs", "paired"):
        for pair in result[table]:
            for quantity in ("delta", "low", "high", "p", "p_adjusted"):
                at = (table, pair["level"], pair["metric"], "", pair["layer"], None, pair["a"], pair["b"])
                yield (*at, quantity, pair[quantity])
    yield from _heads(result)
    yield from first_window_numbers(result)
    yield from added_numbers(result)
    for found in result["separability"]:
        level = "overall" if found["layer"] is None else "layer"
        for measure in ("silhouette", "neighbour_purity", "accuracy"):
            at = ("separability", level, "", found["space"], found["layer"], None, "", "")
            yield (*at, measure, found[measure])
            for quantity, value in (found[f"{measure}_permuted"] or {}).items():
                yield (*at, f"{measure}_permuted_{quantity}", value)
    for drawn in result["maps"]:
        level = "overall" if drawn["layer"] is None else "layer"
        yield (
            "maps",
            level,
            "",
            drawn["space"],
            drawn["layer"],
            None,
            "",
            "",
            "trustworthiness",
            drawn["trustworthiness"],
        )
        for point in drawn["points"]:
            at = ("maps", level, "", drawn["space"], drawn["layer"], None, point["group"], point["analysis_id"])
            yield (*at, "x", point["x"])
            yield (*at, "y", point["y"])


def _means(result: Mapping[str, Any]) -> Iterator[Row]:
    for group in result["groups"]:
        yield ("groups", "overall", "", "", None, None, group["name"], "", "documents", group["documents"])
        for reason, count in group["skipped"].items():
            yield ("groups", "overall", "", "", None, None, group["name"], "", f"skipped: {reason}", count)
    rows = [(None, result["overall"]), *((row["layer"], row) for row in result["layers"])]
    for layer, row in rows:
        for metric in result["metrics"]:
            for name, cell in row[metric].items():
                for quantity in ("mean", "low", "high", "documents"):
                    level = "overall" if layer is None else "layer"
                    yield ("means", level, metric, "", layer, None, name, "", quantity, cell[quantity])


def _heads(result: Mapping[str, Any]) -> Iterator[Row]:
    for metric, found in (result.get("heads") or {}).items():
        tables = [(name, "", found[name]) for name in ("epsilon_squared", "p", "p_adjusted", "p_familywise")]
        tables += [("mean", group, values) for group, values in found["means"].items()]
        for quantity, group, values in tables:
            for layer, row in enumerate(values):
                for head, value in enumerate(row):
                    yield ("heads", "head", metric, "", layer, head, group, "", quantity, value)


def tidy_csv(result: Mapping[str, Any]) -> str:
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
