"""First windows are stored beside the measurement they belong to, enter nothing else of it, and go with it."""

from typing import Any

import numpy as np
import pytest
from seeded_work import MODEL, add_job, job_row, states, words
from sqlalchemy import Engine, func, select

from attention.definitions import METRIC_NAMES
from attention.measure.analysis import analyse
from attention.text.documents import Document, Turn
from attention.text.rendering import render
from models.queries.reading.summaries import measured_group
from models.queries.writing.deletion import delete_job
from models.tables import (
    LOCAL_TENANT,
    analysis,
    comparison,
    embedding,
    measurement,
    measurement_first_window,
    work_item,
)
from models.work import Sampling, WorkOptions
from workers.dispatch import Dispatcher

pytestmark = pytest.mark.xdist_group("first windows")


def options(first_window: bool = True, **sampling: Any) -> WorkOptions:
    """Two windows of 40 tokens, with the first beside them or not."""
    return WorkOptions(
        sampling=Sampling(**{"window_tokens": 40, "count": 2, "seed": 0, "first_window": first_window, **sampling})
    )


def talk(number: int) -> dict[str, Any]:
    """A conversation of twelve turns."""
    return {
        "turns": [
            {"speaker": ("Ana", "Bo", "Cy")[(turn + number) % 3], "text": f"{words(9, turn + number)}"}
            for turn in range(12)
        ]
    }


def measured_job(worker: Dispatcher, contents: list[Any], wanted: WorkOptions, **more: Any) -> str:
    """A job of these documents once the worker is done with them."""
    with worker.engine.begin() as connection:
        job_id = add_job(connection, contents, options=wanted, **more)
    while job_row(worker.engine, job_id).state in ("queued", "running"):
        worker.answer_model(MODEL)
    return job_id


def measurements(engine: Engine, job_id: str) -> list[Any]:
    """The measurements of a job in the order of its documents, and whether each was known before."""
    with engine.connect() as connection:
        return list(
            connection.execute(
                select(measurement, analysis.c.cached)
                .join_from(analysis, measurement)
                .where(analysis.c.job_id == job_id)
                .order_by(analysis.c.work_item_id)
            )
        )


def stored_layers(engine: Engine, measurement_id: int) -> list[Any]:
    """The rows of a measurement's first window, layer by layer."""
    with engine.connect() as connection:
        chosen = select(measurement_first_window).where(measurement_first_window.c.measurement_id == measurement_id)
        return list(connection.execute(chosen.order_by(measurement_first_window.c.layer)))


def test_what_is_stored_is_the_document_cut_to_its_first_window_and_measured(
    engine: Engine, worker: Dispatcher
) -> None:
    contents = [talk(1), words(200, 2)]
    job_id = measured_job(worker, contents, options())
    model = worker.models.open(MODEL).model
    documents = [
        Document(turns=tuple(Turn(turn["speaker"], turn["text"]) for turn in contents[0]["turns"])),
        Document(text=contents[1]),
    ]
    for document, row in zip(documents, measurements(engine, job_id), strict=True):
        cut = render(model.tokenizer, document, context=40, overflow="truncate")
        (expected,) = analyse(model, [cut], token_budget=512)
        rows = stored_layers(engine, row.id)
        assert [stored.layer for stored in rows] == list(range(6))
        for name in METRIC_NAMES:
            found = np.array([stored._mapping[name] for stored in rows], np.float64)
            np.testing.assert_allclose(found, expected.layers[name], rtol=1e-5, atol=1e-8)


def test_the_documents_own_numbers_are_those_without_a_first_window(engine: Engine, worker: Dispatcher) -> None:
    contents = [talk(11), words(200, 12), words(90, 13)]
    with_first, without = (
        measurements(engine, measured_job(worker, contents, options(first))) for first in (True, False)
    )
    assert len(with_first) == len(contents)
    for one, other in zip(with_first, without, strict=True):
        assert one.id != other.id
        assert not other.cached
        counts = ("tokens", "windows", "turns", "speakers", "truncated", "left_out_rows")
        assert [one._mapping[name] for name in counts] == [other._mapping[name] for name in counts]
        assert (one.windows, one.tokens) == (2, 80)
        values = [np.array([row._mapping[name] for name in METRIC_NAMES], np.float64) for row in (one, other)]
        np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-8)
        assert stored_layers(engine, other.id) == []
        with engine.connect() as connection:
            vectors = [
                np.asarray(connection.execute(chosen).scalar_one())
                for chosen in (
                    select(embedding.c.embedding).where(embedding.c.measurement_id == row.id) for row in (one, other)
                )
            ]
        np.testing.assert_allclose(*vectors, rtol=1e-4, atol=1e-5)


def test_asked_again_it_is_known_and_with_its_last_use_it_goes(engine: Engine, worker: Dispatcher) -> None:
    contents = [words(120, 21), "too short"]
    first, again = (measured_job(worker, contents, options()) for _ in range(2))
    assert states(engine, first) == states(engine, again) == {"done": 1, "failed": 1}
    (row,), (same,) = measurements(engine, first), measurements(engine, again)
    assert (row.cached, same.cached) == (False, True)
    assert row.id == same.id
    for job_id, left in ((first, 6), (again, 0)):
        with engine.begin() as connection:
            delete_job(connection, LOCAL_TENANT, job_id)
        assert len(stored_layers(engine, row.id)) == left


def test_by_characters_a_document_whose_beginning_is_too_dense_has_none_and_reads_as_undefined(
    engine: Engine, worker: Dispatcher
) -> None:
    dense = " ".join("abcdefghijklmnopqrstuvwxyz0123456789" * 40)
    contents = [f"{dense} {words(900, 31)}", words(900, 32)]
    wanted = options(window_characters=1_200, count=1, seed=5)
    job_id = measured_job(worker, contents, wanted, groups=[0, 0])
    assert states(engine, job_id) == {"done": 2}
    with engine.connect() as connection:
        group = measured_group(connection, job_id, 0)
    assert group.first_windows is not None
    assert group.first_windows["distance"].shape == (2, 6)
    assert np.isnan(group.first_windows["distance"]).all(axis=1).tolist() == [True, False]
    assert not np.isnan(group.overall["distance"]).any()


def test_where_none_was_measured_there_is_none_and_the_summary_says_so(engine: Engine, worker: Dispatcher) -> None:
    contents = [words(60, 40 + number) for number in range(16)]
    groups = [number % 2 for number in range(16)]
    request = {
        "groups": [{"name": "even", "dataset_id": "ds_a"}, {"name": "odd", "dataset_id": "ds_b"}],
        "model": MODEL, "window_tokens": 40, "by_head": False, "maps": [], "metrics": ["distance"],
    }  # fmt: skip
    job_id = measured_job(worker, contents, options(False), kind="comparison", groups=groups, request=request)
    with engine.connect() as connection:
        assert measured_group(connection, job_id, 0).first_windows is None
    worker.answer_summaries()
    with engine.connect() as connection:
        result = connection.execute(select(comparison.c.result).where(comparison.c.job_id == job_id)).scalar_one()
        assert connection.execute(select(func.count()).where(work_item.c.job_id == job_id)).scalar_one() == 16
    assert result["first_window"] == {"refused": "no first window was measured in even, odd"}
    assert "first-window-differs" not in {warned["code"] for warned in result["warnings"]}
