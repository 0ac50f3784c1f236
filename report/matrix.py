"""Every overall effect in one table: a row a metric, a column a pair of groups."""

from typing import Any, Final

from attention.comparison.study import Study
from report.pairs import overall_pairs

MOST_COLUMNS: Final = 28
"""Above this (more than 8 groups) nobody finds anything in the table; the list of pairs has them all."""


def matrix(result: Study) -> dict[str, list[Any]]:
    """`columns` names pairs, `rows` have a `metric` and its `cells`: pairs of the result, None where untested."""
    tested = {(pair.metric, pair.a, pair.b): pair for pair in overall_pairs(result)}
    columns = list(dict.fromkeys((a, b) for _, a, b in tested))
    if len(columns) > MOST_COLUMNS:
        return {"columns": [], "rows": []}
    rows = [
        {"metric": metric, "cells": [tested.get((metric, *column)) for column in columns]} for metric in result.metrics
    ]
    return {
        "columns": [f"{a} – {b}" for a, b in columns],
        "rows": [row for row in rows if any(cell is not None for cell in row["cells"])],
    }
