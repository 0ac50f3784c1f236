"""A worker measures what it claims, stores it once, and charges nobody for another's document."""

from typing import Any

import numpy as np
import pytest
from seeded_work import MODEL, add_job, add_tenant, job_row, states, unique_text, words
from sqlalchemy import Engine, delete, func, insert, select, text, update

from attention.definitions import METRIC_NAMES
from models.identifiers import new_identifier
from models.queries.queue.cancellation import cancel_jobs
from models.tables import (
    BACKGROUND,
    INTERACTIVE,
    analysis,
    embedding,
    inquiry,
    known_request,
    measurement,
    measurement_layer,
    measurement_turn,
    model,
    model_version,
    outbox,
    turn_embedding,
    vector_index,
    work_item,
)
from models.work import Sampling, WorkOptions
from workers.dispatch import Dispatcher

pytestmark = pytest.mark.xdist_group("measuring")

TALK = {
    "turns": [
        {"speaker": "Ana", "text": "Are you coming to the lake tonight?"},
        {"speaker": "Bo", "text": "Yes, at six, if the bus runs."},
        {"speaker": "Ana", "text": "Then bring the blue folder, please."},
    ]
}


def passes(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the worker logged of its passes: documents, jobs, tenants, tokens."""
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("pass ")]
    return [dict(part.split("=") for part in line.split()[1:]) for line in lines]


def measured(engine: Engine, job_id: str) -> list[Any]:
    with engine.connect() as connection:
        return list(
            connection.execute(
                select(analysis, measurement)
                .join_from(analysis, measurement)
                .where(analysis.c.job_id == job_id)
                .order_by(analysis.c.work_item_id)
            ).mappings()
        )


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(measurement)).scalar_one())


def test_a_conversation_is_stored_whole(engine: Engine, worker: Dispatcher) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, [TALK])
    worker.answer_model(MODEL)
    assert job_row(engine, job_id).state == "succeeded"
    (row,) = measured(engine, job_id)
    assert (row["turns"], row["speakers"], row["windows"], row["truncated"]) == (3, ["Ana", "Bo"], 1, False)
    assert row["cross_turn"] > 0
    assert row["cached"] is False
    assert set(row["timing"]) == {"queued_ms", "tokenize_ms", "forward_ms", "store_ms"}
    assert min(row["timing"].values()) > 0
    served = worker.models.open(MODEL)
    with engine.connect() as connection:
        layers = connection.execute(
            select(measurement_layer).where(measurement_layer.c.measurement_id == row["measurement_id"])
        ).all()
        own = embedding.c.measurement_id == row["measurement_id"]
        assert len(connection.execute(select(embedding).where(own)).all()) == 1
        of_turns = turn_embedding.c.measurement_id == row["measurement_id"]
        vectors = connection.execute(select(turn_embedding).where(of_turns)).all()
        turns = connection.execute(
            select(measurement_turn)
            .where(measurement_turn.c.measurement_id == row["measurement_id"])
            .order_by(measurement_turn.c.turn)
        ).all()
    assert len(layers) == 6
    for name in METRIC_NAMES:
        assert len(layers[0]._mapping[f"{name}_heads"]) == 12
        values = [layer._mapping[name] for layer in layers if layer._mapping[name] is not None]
        if row[name] is not None:
            assert np.mean(values) == pytest.approx(row[name], rel=1e-9)
    assert len(layers[0].flow) == 3 * 4
    assert np.sum(np.reshape(layers[0].flow, (3, 4)), axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert [(turn.turn, turn.speaker) for turn in turns] == [(0, 0), (1, 1), (2, 0)]
    assert sum(turn.tokens for turn in turns) < row["tokens"]
    assert turns[0].cross_turn is None  # the first turn has no other before it
    assert turns[1].cross_turn * turns[1].tokens + turns[2].cross_turn * turns[2].tokens == pytest.approx(
        row["cross_turn"] * (turns[1].tokens + turns[2].tokens), rel=1e-6
    )
    assert sorted(vector.turn for vector in vectors) == [0, 1, 2]
    assert {len(vector.embedding) for vector in vectors} == {served.model.facts.hidden_size}
    assert {vector.tenant_id for vector in vectors} == {"local"}


def test_documents_of_many_jobs_and_tenants_share_one_pass(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        add_tenant(connection, "neighbour")
        jobs = [
            add_job(connection, [words(40, seed)], tenant_id="neighbour" if seed % 2 else "local", tokens=[60])
            for seed in range(64)
        ]
    worker.answer_model(MODEL)
    assert [job_row(engine, job_id).state for job_id in jobs] == ["succeeded"] * 64
    (only,) = passes(caplog)
    assert (only["documents"], only["jobs"], only["tenants"]) == ("64", "64", "2")


def test_equal_work_is_done_once_a_tenant_and_shared(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    same = unique_text()
    with engine.begin() as connection:
        add_tenant(connection, "stranger")
        job_id = add_job(connection, [same, same, same])
        strange = add_job(connection, [same], tenant_id="stranger")
    worker.answer_model(MODEL)
    assert sorted(row["cached"] for row in measured(engine, job_id)) == [False, True, True]
    assert [row["cached"] for row in measured(engine, strange)] == [False]
    assert len({row["measurement_id"] for row in measured(engine, job_id)}) == 1
    assert sum(int(one["documents"]) for one in passes(caplog)) == 2
    with engine.begin() as connection:
        again = add_job(connection, [same])
    worker.answer_model(MODEL)
    (row,) = measured(engine, again)
    assert row["cached"] is True
    assert row["timing"]["forward_ms"] == 0
    assert len(passes(caplog)) == 1
    with engine.connect() as connection:
        keys = select(func.count()).select_from(known_request)
        ids = {row["measurement_id"], measured(engine, strange)[0]["measurement_id"]}
        assert connection.execute(keys.where(known_request.c.measurement_id.in_(ids))).scalar_one() == 2


def test_speakers_names_that_no_token_tells_do_not_mix(engine: Engine, worker: Dispatcher) -> None:
    text_ = unique_text()
    talks = [{"turns": [{"speaker": name, "text": text_}, {"speaker": "Zo", "text": "Yes."}]} for name in ("A", "B")]
    with engine.begin() as connection:
        job_id = add_job(connection, talks, options=WorkOptions(labels="drop"))
    worker.answer_model(MODEL)
    assert [row["speakers"] for row in measured(engine, job_id)] == [["A", "Zo"], ["B", "Zo"]]


def test_a_refused_document_fails_alone_with_its_reason(engine: Engine, worker: Dispatcher) -> None:
    empty_turn = {"turns": [{"speaker": "Ana", "text": "Hi."}, {"speaker": "Bo", "text": "  "}]}
    with engine.begin() as connection:
        job_id = add_job(connection, [unique_text(), "   ", empty_turn, unique_text()], tokens=[20] * 4)
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 2, "failed": 2}
    assert job_row(engine, job_id).state == "succeeded"
    with engine.connect() as connection:
        failed = connection.execute(
            select(work_item.c.reason, work_item.c.message)
            .where(work_item.c.job_id == job_id, work_item.c.state == "failed")
            .order_by(work_item.c.id)
        ).all()
    assert [row.reason for row in failed] == ["document-empty", "document-empty-turn"]
    assert "turn 1" in failed[1].message


def test_a_document_that_breaks_its_batch_fails_alone(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    """The speaker's name cannot be stored: only the transaction that stores the batch finds out."""
    culprit = {"turns": [{"speaker": "Ana", "text": unique_text()}, {"speaker": "Bo", "text": "Yes."}]}
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE measurement ADD CONSTRAINT no_ana CHECK (NOT 'Ana' = ANY (speakers)) NOT VALID")
        )
        job_id = add_job(connection, [unique_text(), culprit, unique_text()], tokens=[20] * 3)
    try:
        worker.answer_model(MODEL)
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE measurement DROP CONSTRAINT no_ana"))
    assert states(engine, job_id) == {"done": 2, "failed": 1}
    with engine.connect() as connection:
        row = connection.execute(
            select(work_item).where(work_item.c.job_id == job_id, work_item.c.state == "failed")
        ).one()
    assert row.reason == "measuring-failed"
    assert "no_ana" not in row.message
    assert "no_ana" in caplog.text


def test_a_job_of_one_refused_document_fails_with_that_documents_reason(engine: Engine, worker: Dispatcher) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, [" "], kind="analysis")
    worker.answer_model(MODEL)
    row = job_row(engine, job_id)
    assert (row.state, row.reason) == ("failed", "document-empty")


def test_a_model_that_is_not_there_fails_its_work_by_name(engine: Engine, worker: Dispatcher) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, ["a", "b"], model="nowhere")
    worker.answer_model("nowhere")
    row = job_row(engine, job_id)
    assert (row.state, row.reason) == ("failed", "model-folder-missing")
    assert "/nonexistent" not in row.message
    with engine.connect() as connection:
        told = connection.execute(select(model).where(model.c.id == "nowhere")).one()
    assert (told.state, told.reason) == ("unavailable", "model-folder-missing")


def test_a_long_document_runs_in_windows_and_others_of_its_claim_in_one_pass(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    worker.models.budgets[MODEL] = 512
    try:
        with engine.begin() as connection:
            job_id = add_job(connection, [words(3000, 1), words(30, 2), words(30, 3)], tokens=[50, 50, 50])
        worker.answer_model(MODEL)
    finally:
        worker.models.budgets[MODEL] = 16_384
    assert states(engine, job_id) == {"done": 3}
    long, *short = passes(caplog)
    assert (long["documents"], int(long["windows"])) == ("1", measured(engine, job_id)[0]["windows"])
    assert int(long["windows"]) > 5
    assert [one["documents"] for one in short] == ["2"]


@pytest.mark.parametrize("priority", [BACKGROUND, INTERACTIVE])
def test_urgent_work_is_served_between_the_passes_of_a_long_document(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture, priority: int
) -> None:
    worker.models.budgets[MODEL] = 512
    try:
        with engine.begin() as connection:
            long = add_job(connection, [words(2500, 4 + priority)], priority=priority)
            urgent = [add_job(connection, [unique_text()], priority=INTERACTIVE, kind="analysis") for _ in range(2)]
            connection.execute(update(work_item).where(work_item.c.job_id.in_(urgent)).values(state="done"))
        look = worker.allow_preemption

        def arrive(priority: int) -> None:
            with engine.begin() as connection:
                connection.execute(update(work_item).where(work_item.c.job_id.in_(urgent)).values(state="queued"))
            worker.allow_preemption = look  # type: ignore[method-assign]
            look(priority)

        worker.allow_preemption = arrive  # type: ignore[method-assign]
        worker.answer_model(MODEL)
    finally:
        worker.models.budgets[MODEL] = 16_384
    assert [job_row(engine, job_id).state for job_id in (long, *urgent)] == ["succeeded"] * 3
    assert all(job_row(engine, one).finished_at < job_row(engine, long).finished_at for one in urgent)
    assert [one["documents"] for one in passes(caplog)] == ["2", "1"]
    assert int(passes(caplog)[1]["passes"]) > 2


def test_a_short_urgent_document_waits_for_one_pass_of_a_long_urgent_one_that_was_let_through(
    engine: Engine, worker: Dispatcher
) -> None:
    worker.models.budgets[MODEL] = 512
    arrivals: list[str] = []
    try:
        with engine.begin() as connection:
            arrivals.append(add_job(connection, [words(1500, 40)]))
            arrivals += [
                add_job(connection, [content], priority=INTERACTIVE, kind="analysis")
                for content in (words(1500, 41), unique_text(), unique_text())
            ]
            later = arrivals[1:]
            connection.execute(update(work_item).where(work_item.c.job_id.in_(later)).values(state="done"))
        look = worker.allow_preemption

        def arrive(priority: int) -> None:
            if later:
                with engine.begin() as connection:
                    arrived = work_item.c.job_id == later.pop(0)
                    connection.execute(update(work_item).where(arrived).values(state="queued"))
            look(priority)

        worker.allow_preemption = arrive  # type: ignore[method-assign]
        worker.answer_model(MODEL)
    finally:
        worker.models.budgets[MODEL] = 16_384
    ends = [job_row(engine, job_id).finished_at for job_id in arrivals]
    assert max(ends[2:]) < ends[1] < ends[0]


def test_a_job_cancelled_between_passes_is_measured_no_further(engine: Engine, worker: Dispatcher) -> None:
    worker.models.budgets[MODEL] = 512
    try:
        with engine.begin() as connection:
            job_id = add_job(connection, [words(2500, 5)])
        look = worker.allow_preemption

        def cancel(priority: int) -> None:
            with engine.begin() as connection:
                cancel_jobs(connection, [job_id])
            look(priority)

        worker.allow_preemption = cancel  # type: ignore[method-assign]
        worker.answer_model(MODEL)
    finally:
        worker.models.budgets[MODEL] = 16_384
    assert states(engine, job_id) == {"cancelled": 1}
    assert job_row(engine, job_id).state == "cancelled"
    assert measured(engine, job_id) == []


def test_a_worker_that_is_to_stop_gives_back_what_it_has_not_begun(engine: Engine, worker: Dispatcher) -> None:
    worker.models.budgets[MODEL] = 512
    try:
        with engine.begin() as connection:
            job_id = add_job(connection, [words(100, seed) for seed in range(100, 110)], tokens=[100] * 10)
            connection.execute(delete(outbox))
        worker.allow_preemption = lambda _priority: worker.process._stop.set()  # type: ignore[method-assign]
        worker.answer_model(MODEL)
    finally:
        worker.models.budgets[MODEL] = 16_384
    left = states(engine, job_id)
    assert left["done"] >= 1
    assert left == {"done": left["done"], "queued": 10 - left["done"]}
    with engine.connect() as connection:
        assert connection.execute(select(outbox.c.queue)).scalars().all() == [f"model:{MODEL}"]


def test_a_lost_lease_stores_nothing(engine: Engine, worker: Dispatcher) -> None:
    worker.models.budgets[MODEL] = 512
    before = stored(engine)
    try:
        with engine.begin() as connection:
            job_id = add_job(connection, [words(2500, 6)])
        look = worker.allow_preemption

        def lose(priority: int) -> None:
            with engine.begin() as connection:
                connection.execute(update(work_item).where(work_item.c.job_id == job_id).values(lease_token=0))
            look(priority)

        worker.allow_preemption = lose  # type: ignore[method-assign]
        worker.answer_model(MODEL)
    finally:
        worker.models.budgets[MODEL] = 16_384
    assert states(engine, job_id) == {"running": 1}
    assert measured(engine, job_id) == []
    assert stored(engine) == before


def test_the_same_text_alone_and_among_fifty_others_gives_the_same_numbers(engine: Engine, worker: Dispatcher) -> None:
    same = words(90, 7)
    with engine.begin() as connection:
        add_tenant(connection, "alone")
        alone = add_job(connection, [same], tenant_id="alone")
        others = [words(5 + 4 * seed, seed + 300) for seed in range(50)]
        crowd = add_job(connection, [*others[:25], same, *others[25:]])
    for _ in range(20):
        worker.answer_model(MODEL)
    assert states(engine, crowd) == {"done": 51}
    (one,) = measured(engine, alone)
    among = measured(engine, crowd)[25]
    assert one["measurement_id"] != among["measurement_id"]
    for name in METRIC_NAMES:
        assert (one[name] is None) == (among[name] is None)
        if one[name] is not None:
            assert among[name] == pytest.approx(one[name], rel=1e-5, abs=1e-9)
    with engine.connect() as connection:
        vectors = [
            np.asarray(
                connection.execute(
                    select(embedding.c.embedding).where(embedding.c.measurement_id == row["measurement_id"])
                ).scalar_one()
            )
            for row in (one, among)
        ]
    assert np.allclose(*vectors, rtol=1e-4, atol=1e-5)


def test_sampled_windows_are_measured_for_comparisons_and_not_listed(engine: Engine, worker: Dispatcher) -> None:
    options = WorkOptions(sampling=Sampling(window_tokens=64, count=2, seed=0))
    with engine.begin() as connection:
        job_id = add_job(connection, [words(300, 8), "too short"], options=options, tokens=[128, 128])
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 1, "failed": 1}
    (row,) = measured(engine, job_id)
    assert (row["windows"], row["tokens"], row["listed"]) == (2, 128, True)
    with engine.connect() as connection:
        reason = select(work_item.c.reason).where(work_item.c.job_id == job_id, work_item.c.state == "failed")
        assert connection.execute(reason).scalar_one() == "too-short"


def test_an_inquiry_is_answered_with_the_embedding_that_a_document_would_get(
    engine: Engine, worker: Dispatcher
) -> None:
    asked, text_ = new_identifier("inq"), unique_text()
    with engine.begin() as connection:
        connection.execute(
            insert(inquiry).values(
                id=asked,
                tenant_id="local",
                kind="embedding",
                model_id=MODEL,
                request={"content": {"text": text_}},
                expires_at=func.now() + text("interval '30 s'"),
            )
        )
        job_id = add_job(connection, [text_])
    worker.answer_model(MODEL)
    with engine.connect() as connection:
        row = connection.execute(select(inquiry).where(inquiry.c.id == asked)).one()
        stored = connection.execute(
            select(embedding.c.embedding).where(
                embedding.c.measurement_id == measured(engine, job_id)[0]["measurement_id"]
            )
        ).scalar_one()
    assert row.state == "done"
    assert row.response["version_key"] == worker.models.open(MODEL).version_key
    assert np.allclose(row.response["embedding"], np.asarray(stored), atol=1e-5)


def test_an_opened_model_tells_its_facts_and_makes_its_vectors_known(engine: Engine, worker: Dispatcher) -> None:
    served = worker.models.open(MODEL)
    assert served.scale is not None
    with engine.connect() as connection:
        row = connection.execute(select(model).where(model.c.id == MODEL)).one()
        version = connection.execute(select(model_version).where(model_version.c.key == served.version_key)).one()
        of_version = vector_index.c.key == served.version_key, vector_index.c.space == "embedding"
        columns = vector_index.c.scope, vector_index.c.dimension, vector_index.c.wanted
        known = {tuple(each) for each in connection.execute(select(*columns).where(*of_version))}
        of_scale = vector_index.c.key == served.scale.key, vector_index.c.space == "profile"
        profiles = connection.execute(select(*columns).where(*of_scale)).one()
    assert (row.state, row.version_key, row.facts["layers"]) == ("ready", served.version_key, 6)
    assert (version.dimension, version.dtype) == (384, "float32")
    assert known == {("document", 384, True), ("turn", 384, False)}
    assert tuple(profiles) == ("document", served.scale.scale.dimension, True)
