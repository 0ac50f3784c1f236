"""Vectors of every size are written by COPY and found through their model version's own index."""

from threading import Thread

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select, text

from models.queries.search.vectors import SCOPES, VectorIndex, drop_vector_indexes, ensure_vector_indexes
from models.queries.writing.binary_copy import copy_rows
from models.tables import embedding, measurement, model_version

COLUMNS = {"tenant_id": "text", "measurement_id": "int8", "version_key": "int8", "turn": "int4", "embedding": "vector"}


def version(engine: Engine, dimension: int, rows: int) -> int:
    """A model version with so many measurements, each with the vector of its document and of two turns."""
    chance = np.random.default_rng(dimension)
    with engine.begin() as connection:
        values = {"model_id": f"m{dimension}", "revision": "r", "weights_sha256": "w", "dtype": "float32"}
        key = connection.execute(
            insert(model_version).values(dimension=dimension, facts={}, **values).returning(model_version.c.key)
        ).scalar_one()
        one = {"tenant_id": "local", "version_key": key, "definitions": "d", "tokens": 1, "speakers": []}
        one |= {"windows": 1, "truncated": False, "left_out_rows": 0}
        ids = connection.execute(
            insert(measurement).returning(measurement.c.id),
            [{**one, "work_key": f"{dimension}/{number}".encode()} for number in range(rows)],
        ).scalars()
        vectors = (
            ("local", measurement_id, key, turn, chance.normal(size=dimension).astype(np.float32))
            for measurement_id in ids
            for turn in (None, 0, 1)
        )
        copy_rows(connection, "embedding", COLUMNS, vectors)
    return int(key)


def test_copied_vectors_and_arrays_come_back_bit_for_bit(engine: Engine) -> None:
    key = version(engine, 7, 3)
    chance = np.random.default_rng(7)
    expected = [chance.normal(size=7).astype(np.float32) for _ in range(9)]
    with engine.connect() as connection:
        rows = connection.execute(
            select(embedding.c.turn, embedding.c.embedding)
            .where(embedding.c.version_key == key)
            .order_by(embedding.c.id)
        ).all()
    assert [row.turn for row in rows] == [None, 0, 1] * 3
    assert all(
        np.array_equal(np.asarray(row.embedding, np.float32), one) for row, one in zip(rows, expected, strict=True)
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE arrays (numbers real[]) ON COMMIT DROP"))
        arrays = [np.array([[1.5, np.nan], [-0.25, 3e38]], np.float32), np.array([], np.float32)]
        copy_rows(connection, "arrays", {"numbers": "float4[]"}, ((array,) for array in arrays))
        back = connection.execute(text("SELECT numbers FROM arrays")).scalars().all()
    assert np.array_equal(
        np.array(back[0], np.float32), np.array([1.5, np.nan, -0.25, 3e38], np.float32), equal_nan=True
    )
    assert back[1] == []


@pytest.mark.parametrize(("dimension", "kind"), [(384, "vector"), (2001, "halfvec"), (4001, "bit")])
def test_the_nearest_are_found_through_the_index_of_their_version(engine: Engine, dimension: int, kind: str) -> None:
    key = version(engine, dimension, 40)
    ensure_vector_indexes(engine, key, dimension)
    ensure_vector_indexes(engine, key, dimension)
    for scope in SCOPES:
        index = VectorIndex(key, dimension, scope)
        assert index.kind == kind
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
            connection.execute(text("SET LOCAL enable_sort = off"))
            wanted = connection.execute(
                text(f"SELECT id, embedding::text FROM embedding WHERE {index.predicate} ORDER BY id LIMIT 1")
            ).one()
            asked = index.expression.replace("embedding::", "CAST(:asked AS vector)::", 1)
            nearest = text(
                f"SELECT id FROM embedding WHERE {index.predicate} "
                f"ORDER BY {index.expression} {'<~>' if kind == 'bit' else '<=>'} {asked} LIMIT 1"
            )
            parameters = {"asked": wanted.embedding}
            plan = "\n".join(connection.execute(text(f"EXPLAIN {nearest.text}"), parameters).scalars())
            assert index.name in plan
            assert connection.execute(nearest, parameters).scalar_one() == wanted.id
    drop_vector_indexes(engine, key, dimension)


def test_two_workers_that_make_the_same_indexes_at_once_both_find_them_made(engine: Engine) -> None:
    key = version(engine, 16, 5)
    failures: list[BaseException] = []

    def make() -> None:
        try:
            ensure_vector_indexes(engine, key, 16)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with engine.connect() as connection:
        found = text("SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text LIKE :name")
        assert connection.execute(found, {"name": f"embedding_%_v{key}"}).scalar_one() == 2


def test_more_dimensions_than_a_vector_can_have_are_kept_as_an_array() -> None:
    assert [VectorIndex(1, size, "document").kind for size in (16_000, 16_001)] == ["bit", "array"]
