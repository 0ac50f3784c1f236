"""Search by vectors: exact among few, through the version's index among many, and truthful about which it was."""

import math
import random
from collections.abc import Sequence

import pytest
from seeded_work import MODEL, add_job, add_tenant
from sqlalchemy import Connection, Engine, insert, select, text

from attention.definitions import DEFINITIONS
from models.identifiers import new_identifier
from models.queries.access.keys import ensure_local_tenant
from models.queries.search import nearest as queries
from models.queries.search import segments
from models.queries.search.nearest import Candidates, NearestQuery, nearest
from models.queries.search.segments import build_due_segments, register_index
from models.queries.search.vectors import VectorIndex
from models.tables import LOCAL_TENANT, analysis, document, embedding, measurement, model_version, work_item

DIMENSION = 16


@pytest.fixture(scope="module")
def version(engine: Engine) -> int:
    with engine.begin() as connection:
        ensure_local_tenant(connection)
        add_tenant(connection, "other")
        key = connection.execute(
            insert(model_version)
            .values(model_id=MODEL, revision="r", weights_sha256="w", dtype="float32", dimension=DIMENSION, facts={})
            .returning(model_version.c.key)
        ).scalar_one()
        for tenant_id in (LOCAL_TENANT, "other"):
            _fill(connection, key, tenant_id, 400)
        register_index(connection, VectorIndex(int(key), DIMENSION, "document"), wanted=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments, "UNSEARCHED", 100)
        assert build_due_segments(engine, memory_bytes=64 << 20) == 1
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return int(key)


def _vector(seed: int) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0, 1) for _ in range(DIMENSION)]


def _fill(connection: Connection, key: int, tenant_id: str, count: int) -> None:
    """`count` analyses with seeded vectors; every fiftieth is of the rare domain."""
    job_id = add_job(connection, [f"text {number}" for number in range(count)], tenant_id=tenant_id)
    items = connection.execute(
        select(work_item.c.id, work_item.c.document_id).where(work_item.c.job_id == job_id).order_by(work_item.c.id)
    ).all()
    for number, item in enumerate(items):
        connection.execute(
            document.update()
            .where(document.c.id == item.document_id)
            .values(external_id=f"{tenant_id}-{number}", domain="rare" if number % 50 == 0 else "common")
        )
        measured = connection.execute(
            insert(measurement)
            .values(
                tenant_id=tenant_id, work_key=str(number).encode(), version_key=key, definitions=DEFINITIONS, tokens=5,
                speakers=[], windows=1, truncated=False, left_out_rows=0,
            )
            .returning(measurement.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            insert(embedding).values(
                tenant_id=tenant_id, measurement_id=measured, version_key=key, embedding=_vector(number)
            )
        )
        connection.execute(
            insert(analysis).values(
                id=new_identifier("an"), tenant_id=tenant_id, job_id=job_id, work_item_id=item.id,
                document_id=item.document_id, measurement_id=measured, model_id=MODEL, listed=True, cached=False,
                timing={},
            )
        )  # fmt: skip


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def _true_best(vector: Sequence[float], k: int, step: int = 1) -> list[str]:
    ranked = sorted(range(0, 400, step), key=lambda number: -_cosine(vector, _vector(number)))
    return [f"{LOCAL_TENANT}-{number}" for number in ranked[:k]]


def _wanted(version: int, vector: list[float], k: int, domain: str | None = None) -> NearestQuery:
    return NearestQuery(Candidates(LOCAL_TENANT, domain=domain), VectorIndex(version, DIMENSION, "document"), vector, k)


def test_few_candidates_are_all_compared(engine: Engine, version: int) -> None:
    vector = _vector(1000)
    with engine.begin() as connection:
        rows, exact = nearest(connection, _wanted(version, vector, 10))
    assert exact is True
    assert [row.external_id for row in rows] == _true_best(vector, 10)
    assert [1 - row.distance for row in rows] == pytest.approx(
        sorted((_cosine(vector, _vector(number)) for number in range(400)), reverse=True)[:10], abs=1e-6
    )


def test_among_many_the_index_is_asked_and_the_answer_says_so(
    engine: Engine, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "EXACT_CANDIDATES", 100)
    vector = _vector(1001)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        rows, exact = nearest(connection, _wanted(version, vector, 10))
    assert exact is False
    assert len(set(_true_best(vector, 10)) & {row.external_id for row in rows}) >= 9
    distances = [row.distance for row in rows]
    assert distances == sorted(distances)


def test_a_filter_that_few_rows_pass_loses_none_of_them(
    engine: Engine, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "EXACT_CANDIDATES", 4)
    vector = _vector(1002)
    with engine.begin() as connection:
        rows, _ = nearest(connection, _wanted(version, vector, 8, domain="rare"))
    assert [row.external_id for row in rows] == _true_best(vector, 8, step=50)
