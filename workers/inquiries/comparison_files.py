"""The files of a comparison that are made at the first request for them, and kept: text, tables, figures.

What draws and writes them takes a while to load, so it is loaded here when it is first needed.
"""

import logging
from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from typing import Any

from sqlalchemy import Engine

from attention.comparison.study import Study
from attention.definitions import DEFINITIONS, INTERDEPENDENCY
from attention.errors import ComparisonRefused, HearkenError
from models.database_errors import database_is_away
from models.queries.queue.inquiry_claims import ClaimedInquiry, answer_inquiry, fail_inquiry
from models.queries.reading.comparisons import read_study
from models.queries.writing.comparisons import SummaryFile, keep_file

log = logging.getLogger(__name__)

FIGURES = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}

UNEXPECTED = (HearkenError.code, "The file could not be made; the operator's log tells more.")


def answer_file(engine: Engine, inquiry: ClaimedInquiry) -> None:
    """Make the file that the inquiry names, keep it, and answer that it is there.

    Raises what says that the database is away; the inquiry is to be given back then.
    """
    comparison_id, name = inquiry.request["comparison_id"], inquiry.request["name"]
    try:
        with engine.connect() as connection:
            found = read_study(connection, comparison_id)
        if found is None:
            raise ComparisonRefused("the comparison was deleted meanwhile")
        made = comparison_file(found.study, found.request, name)
        with engine.begin() as connection:
            keep_file(connection, comparison_id, made)
            answer_inquiry(connection, inquiry, {})
    except HearkenError as refusal:
        _fail(engine, inquiry, refusal.code, str(refusal))
    except Exception as error:
        if database_is_away(error):
            raise
        log.exception("the file %s of comparison=%s could not be made", name, comparison_id)
        _fail(engine, inquiry, *UNEXPECTED)


def comparison_file(study: Study, request: Mapping[str, Any], name: str) -> SummaryFile:
    """One of the files that are made from a comparison's result.

    Raises ComparisonRefused for a name that this result has no file of.
    """
    import report

    match name:
        case "report.md":
            text = report.markdown(study, request, stated_versions(study))
            return SummaryFile(name, "text/markdown; charset=utf-8", text.encode())
        case "numbers.csv":
            return SummaryFile(name, "text/csv; charset=utf-8", report.tidy_csv(study).encode())
        case "numbers.parquet":
            return SummaryFile(name, "application/vnd.apache.parquet", _parquet(study))
    stem, _, form = name.rpartition(".")
    if form in FIGURES:
        from report.figures.printed import figure

        try:
            return SummaryFile(name, FIGURES[form], figure(study, stem, form))  # type: ignore[arg-type]
        except KeyError:
            pass
    raise ComparisonRefused(f"the comparison has no {name}")


def stated_versions(study: Study) -> dict[str, str]:
    """What a report says it was made with."""
    own = {"hearken": version("hearken"), "definitions": DEFINITIONS, "interdependency": INTERDEPENDENCY}
    return {**own, **study.versions}


def _parquet(study: Study) -> bytes:
    """The long table as Parquet; names as dictionaries, undefined values as nulls."""
    import pyarrow as pa
    from pyarrow import parquet

    from report.rows import COLUMNS
    from report.tidy import tidy_rows

    kinds = {"layer": pa.int32(), "head": pa.int32(), "value": pa.float64()}
    columns = list(zip(*tidy_rows(study), strict=True))
    arrays = []
    for name, values in zip(COLUMNS, columns, strict=True):
        if name == "value":
            values = tuple(None if value is None else float(value) for value in values)
        arrays.append(pa.array(values, kinds.get(name, pa.string())))
    file = BytesIO()
    parquet.write_table(pa.table(arrays, names=list(COLUMNS)), file, compression="zstd")
    return file.getvalue()


def _fail(engine: Engine, inquiry: ClaimedInquiry, reason: str, message: str) -> None:
    with engine.begin() as connection:
        fail_inquiry(connection, inquiry, reason, message)
