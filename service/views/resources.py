"""Rows of the database as the resources that clients are given."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Row

from attention.definitions import METRIC_NAMES
from models.queries.reading.analyses import StoredAnalysis, by_layer
from models.schemas.analyses import AnalysisEntry, AnalysisLayer, Timing
from models.schemas.comparisons import Comparison, ComparisonEntry
from models.schemas.datasets import Dataset
from models.schemas.jobs import Failure, Job, Progress
from models.schemas.readings import DatasetReading, Reading
from models.states import JobState
from service.views.turns import flow_view, turns_view


def job_view(row: Row[Any]) -> Job:
    """A row of `models.queries.reading.jobs.job_view`."""
    progress = Progress(
        total=row.total,
        done=row.done,
        cached=row.cached,
        failed=row.failed,
        cancelled=row.cancelled,
        tokens_per_second=_rate(row.tokens_measured, row.seconds),
        eta_seconds=_remaining(row),
    )
    return Job(
        id=row.id,
        kind=row.kind,
        state=row.state,
        progress=progress,
        reason=row.reason,
        message=row.message,
        result=_result(row),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _rate(tokens: int, seconds: Any) -> float | None:
    return None if seconds is None or seconds <= 0 else round(float(tokens) / float(seconds), 3)


def _remaining(row: Row[Any]) -> float | None:
    """Seconds left, if estimated tokens go on at the rate of those done so far."""
    if row.state != JobState.RUNNING or row.seconds is None or not row.estimate_done:
        return None
    return round(float(row.seconds) * float(row.estimate_left) / float(row.estimate_done), 3)


def _result(row: Row[Any]) -> str | None:
    if row.kind == "comparison":
        return f"/v1/comparisons/{row.comparison_id}" if row.comparison_id else None
    if row.kind == "batch":
        return f"/v1/analyses?job_id={row.id}"
    return f"/v1/analyses/{row.analysis_id}" if row.analysis_id else None


def failure_view(row: Row[Any]) -> Failure:
    """A row of `list_failures`."""
    in_dataset = row.dataset_id is not None
    return Failure(
        document_id=row.document_id,
        dataset_id=row.dataset_id,
        position=row.position if in_dataset else None,
        external_id=row.external_id,
        domain=row.domain,
        model=row.model_id,
        reason=row.reason or "measuring-failed",
        message=row.message or "",
        failed_at=row.finished_at,
    )


def dataset_view(row: Row[Any]) -> Dataset:
    """A row of `find_dataset`."""
    return Dataset(
        id=row.id,
        name=row.name,
        sha256=row.sha256,
        documents=int(row.documents),
        domains=dict(sorted(row.domains.items())),
        bytes=row.bytes,
        passed_over=row.passed_over,
        layout=None if row.reading is None else row.reading["layout"],
        reading=None if row.reading is None else DatasetReading.model_validate(row.reading),
        created_at=row.created_at,
    )


def _entry(row: Row[Any]) -> dict[str, Any]:
    values = row._mapping
    return {
        "id": row.id,
        "job_id": row.job_id,
        "created_at": row.created_at,
        "model": {"id": row.model_id, "revision": row.revision},
        "definitions": row.definitions,
        "dataset_id": row.dataset_id,
        "domain": row.domain,
        "external_id": row.external_id,
        "labels": row.labels,
        "tokens": row.tokens,
        "turns": row.turns,
        "speakers": row.speakers,
        "windows": row.windows,
        "truncated": row.truncated,
        "cached": row.cached,
        "left_out_rows": row.left_out_rows,
        "metrics": {name: values[name] for name in METRIC_NAMES},
        "embedding": {"dimension": row.dimension},
        "timing": _timing(row.timing),
    }


def _timing(stored: Mapping[str, float]) -> dict[str, float]:
    """In the order of the schema: JSONB keeps no order of members."""
    known = {name: stored[name] for name in Timing.model_fields if name in stored}
    return {**known, **stored}


def _reading(stored: Mapping[str, Any], speakers: Sequence[str]) -> dict[str, Any]:
    """What a transcript was taken for, its speakers in order of first speech: JSONB keeps no order of members."""
    order = {name: place for place, name in enumerate(speakers)}
    turns = sorted(stored["speakers"].items(), key=lambda entry: order.get(entry[0], len(order)))
    reading = Reading.model_validate({**stored, "speakers": dict(turns)})
    return reading.model_dump(mode="json", exclude_unset=True)


def analysis_entry(row: Row[Any]) -> AnalysisEntry:
    """A row of `list_analyses`."""
    return AnalysisEntry(**_entry(row))


def analysis_layer(row: Row[Any], layer: Row[Any]) -> AnalysisLayer:
    """A row of `list_analyses` with the numbers of one of its layers."""
    metrics = {name: layer._mapping[name] for name in METRIC_NAMES}
    return AnalysisLayer(**{**_entry(row), "metrics": metrics}, layer=layer.layer)


def analysis_view(stored: StoredAnalysis, *, layer: int | None = None, parts: Set[str] = frozenset()) -> dict[str, Any]:
    """An `Analysis` with its layers and `parts` of what else was read, as plain content, and no more members.

    Nothing checks it again on its way out: it is made of what was checked when it was stored.
    """
    row = stored.row
    values = {name: row._mapping[by_layer(name)] for name in ("layer", *METRIC_NAMES)}
    view = _entry(row) | {
        "layers": [dict(zip(values, of_layer, strict=True)) for of_layer in zip(*values.values(), strict=True)]
    }
    if row.reading is not None:
        view["reading"] = _reading(row.reading, row.speakers)
    if "heads" in parts:
        view["heads"] = _heads(stored.heads)
    if "flow" in parts:
        view["flow"] = flow_view(row.speakers, stored.turns, stored.flows, layer)
    if "embedding" in parts:
        view["embedding"] = _embedding(stored)
    if "turns" in parts:
        view["turns_detail"] = turns_view(row.speakers, stored.turns, stored.times) if row.turns is not None else None
    return view


def _embedding(stored: StoredAnalysis) -> dict[str, Any]:
    from models.arrays import reals

    def numbers(sent: bytes | None) -> Any:
        return None if sent is None else reals(sent)

    row = stored.row
    of_turns = None if row.turns is None else [numbers(stored.turn_embeddings.get(turn)) for turn in range(row.turns)]
    return {"dimension": row.dimension, "values": numbers(stored.embedding), "turn_values": of_turns}


def _heads(sent: Mapping[str, Sequence[bytes]]) -> dict[str, Any]:
    from models.arrays import reals  # here, because it loads numpy, which an analysis by itself does not need

    return {name: [reals(layer) for layer in layers] for name, layers in sent.items()}


def _comparison(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "job_id": row.job_id,
        "state": row.state,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "reason": row.reason,
        "message": row.message,
        "request": row.request,
    }


def comparison_entry(row: Row[Any]) -> ComparisonEntry:
    """A row of `list_comparisons`."""
    return ComparisonEntry(**_comparison(row))


def comparison_view(row: Row[Any], files: Sequence[str]) -> Comparison:
    """A row of `find_comparison` with the names of its files."""
    here = f"/v1/comparisons/{row.id}"
    result = {name: value for name, value in (row.result or {}).items() if name not in _comparison(row)}
    report = f"{here}/report" if "report.html" in files else None
    figures = [f"{here}/figures/{name}.svg" for name in result.get("figures", ())]
    for drawn in result.get("maps", ()):
        if "points" not in drawn:
            layer = "" if drawn["layer"] is None else f"&layer={drawn['layer']}"
            drawn["points_at"] = f"{here}/points?space={drawn['space']}{layer}"
    if result and "heads" not in result:
        result["heads_at"] = f"{here}/heads?metric={{metric}}"
    return Comparison(**_comparison(row), **{**result, "report": report, "figures": figures})
