"""Graphs over vectors are built in bulk, few and without a gap, and a search beside them misses nothing."""

from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest
from polling import until
from seeded_analyses import add_analyses
from sqlalchemy import Engine, create_engine, delete, insert, select, text, update
from worker_fleet import fleet

from models.queries.access.keys import ensure_local_tenant
from models.queries.search import nearest as queries
from models.queries.search import segments
from models.queries.search.nearest import Candidates, NearestQuery, nearest
from models.queries.search.segments import build_due_segments, ready_segments, register_index, want_index
from models.queries.search.vectors import SCOPES, Scope, VectorIndex
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import copy_blocks
from models.states import SegmentState
from models.tables import LOCAL_TENANT, analysis, embedding, model_version, turn_embedding, vector_index, vector_segment

MEMORY = 64 << 20


@pytest.fixture(scope="module")
def engine(module_database_url: str) -> Iterator[Engine]:
    """One database for the module."""
    made = create_engine(module_database_url)
    with made.begin() as connection:
        ensure_local_tenant(connection)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def small(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten vectors are many, and those of other tests have no graphs built of them."""
    monkeypatch.setattr(segments, "UNSEARCHED", 10)
    monkeypatch.setattr(queries, "EXACT_CANDIDATES", 3)
    with engine.begin() as connection:
        connection.execute(update(vector_index).values(wanted=False))


def vector_of(number: int, dimension: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng([number, dimension]).normal(size=dimension).astype(np.float32)


def add(engine: Engine, count: int, dimension: int) -> tuple[int, list[int]]:
    """So many analyses of one model, with the vectors of their ids, and opposite ones of a turn; version and ids."""
    name = f"m{dimension}"
    with engine.begin() as connection:
        job_id = add_analyses(connection, count, model=name)
        key = connection.execute(select(model_version.c.key).where(model_version.c.model_id == name)).scalar_one()
        chosen = select(analysis.c.measurement_id).where(analysis.c.job_id == job_id)
        ids = sorted(connection.execute(chosen).scalars())
        vectors = np.stack([vector_of(number, dimension) for number in ids])
        of_each = wire.int8(ids), wire.text([LOCAL_TENANT] * count), wire.int8(np.full(count, key))
        columns = ("measurement_id", "tenant_id", "version_key", "embedding")
        copy_blocks(connection, "embedding", columns, [[*of_each, wire.vector(vectors)]])
        turns = [*of_each, wire.vector(-vectors), wire.int4(np.zeros(count))]
        copy_blocks(connection, "turn_embedding", (*columns, "turn"), [turns])
        for scope in SCOPES:
            register_index(connection, VectorIndex(int(key), dimension, scope), wanted=scope == "document")
    return int(key), ids


def standing(engine: Engine, index: VectorIndex) -> list[tuple[int, int, int]]:
    """The graphs of an index: from, to before, and how many vectors. Those that the database has are exactly these."""
    with engine.connect() as connection:
        found = ready_segments(connection, index)
        named = text("SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indrelid = to_regclass(:t)")
        there = {name for name in connection.execute(named, {"t": index.table}).scalars() if "segment" in name}
        known = select(vector_segment.c.id).where(vector_segment.c.state == SegmentState.READY)
        of_all = {f"vector_segment_{each}" for each in connection.execute(known).scalars()}
    assert {segment.name for segment in found} <= there <= of_all
    return [(segment.low, segment.high, segment.vectors) for segment in found]


def found_near(engine: Engine, index: VectorIndex, number: int, k: int = 5) -> tuple[list[float], bool]:
    """The distances of what is found near a document's own vector, and whether all were compared."""
    sign = -1 if index.scope == "turn" else 1
    vector = (sign * vector_of(number, index.dimension)).tolist()
    with engine.begin() as connection:
        rows, exact = nearest(connection, NearestQuery(Candidates(LOCAL_TENANT), index, vector, k))
    return [row.distance for row in rows], exact


def test_a_graph_is_built_once_enough_wait_and_what_is_stored_after_it_is_found_too(engine: Engine) -> None:
    key, first = add(engine, 9, 8)
    index = VectorIndex(key, 8, "document")
    assert build_due_segments(engine, memory_bytes=MEMORY) == 0
    assert found_near(engine, index, first[0])[1] is True
    _, more = add(engine, 3, 8)
    assert build_due_segments(engine, memory_bytes=MEMORY) == 1
    assert build_due_segments(engine, memory_bytes=MEMORY) == 0
    assert standing(engine, index) == [(0, more[-1] + 1, 12)]
    _, later = add(engine, 4, 8)
    for number in (first[0], more[-1], later[0], later[-1]):
        distances, exact = found_near(engine, index, number)
        assert exact is False
        assert distances[0] == pytest.approx(0, abs=1e-6)
        assert len(distances) == 5


def test_graphs_meet_without_a_gap_and_many_small_ones_become_one(engine: Engine) -> None:
    key, _ = add(engine, 10, 9)
    index = VectorIndex(key, 9, "document")
    sizes = []
    ids: list[int] = []
    for _ in range(17):
        build_due_segments(engine, memory_bytes=MEMORY)
        found = standing(engine, index)
        sizes.append([size for _, _, size in found])
        assert [low for low, _, _ in found] == [0, *(high for _, high, _ in found[:-1])]
        ids += add(engine, 10, 9)[1]
    assert sizes[:5] == [[10], [10, 10], [10, 10, 10], [40], [40, 10]]
    assert sizes[15:] == [[160], [160, 10]]
    assert all(found_near(engine, index, number)[0][0] == pytest.approx(0, abs=1e-6) for number in ids)


def test_what_comes_late_into_a_stretch_that_has_a_graph_is_found(engine: Engine) -> None:
    key, ids = add(engine, 12, 10)
    late = ids[3]
    with engine.begin() as connection:
        connection.execute(delete(embedding).where(embedding.c.measurement_id == late))
    build_due_segments(engine, memory_bytes=MEMORY)
    index = VectorIndex(key, 10, "document")
    assert found_near(engine, index, late)[0][0] > 1e-3
    values = {"measurement_id": late, "tenant_id": LOCAL_TENANT, "version_key": key}
    with engine.begin() as connection:
        connection.execute(insert(embedding).values(embedding=vector_of(late, 10).tolist(), **values))
    distances, exact = found_near(engine, index, late)
    assert (distances[0], exact) == (pytest.approx(0, abs=1e-6), False)


def test_turns_have_graphs_once_somebody_has_searched_turns(engine: Engine) -> None:
    key, ids = add(engine, 12, 11)
    index = VectorIndex(key, 11, "turn")
    assert build_due_segments(engine, memory_bytes=MEMORY) == 1
    assert standing(engine, index) == []
    assert found_near(engine, index, ids[5])[0][0] == pytest.approx(0, abs=1e-6)
    for _ in range(2):
        with engine.begin() as connection:
            want_index(connection, index)
    assert build_due_segments(engine, memory_bytes=MEMORY) == 1
    assert [size for _, _, size in standing(engine, index)] == [12]
    distances, exact = found_near(engine, index, ids[5])
    assert (distances[0], exact) == (pytest.approx(0, abs=1e-6), False)
    with engine.begin() as connection:
        register_index(connection, index, wanted=False)
        assert connection.execute(
            select(vector_index.c.wanted).where(vector_index.c.key == key, vector_index.c.scope == "turn")
        ).scalar_one()


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("dimension", "kind"), [(384, "vector"), (2001, "halfvec"), (4001, "bit")])
def test_a_search_walks_every_graph_of_its_index_and_none_for_what_lies_beyond(
    engine: Engine, dimension: int, kind: str, scope: Scope
) -> None:
    key, ids = add(engine, 12, dimension)
    index = VectorIndex(key, dimension, scope)
    assert index.kind == kind
    with engine.begin() as connection:
        want_index(connection, index)
    build_due_segments(engine, memory_bytes=MEMORY)
    _, more = add(engine, 12, dimension)
    build_due_segments(engine, memory_bytes=MEMORY)
    add(engine, 2, dimension)
    query = NearestQuery(Candidates(LOCAL_TENANT), index, vector_of(ids[0], dimension).tolist(), 3)
    with engine.begin() as connection:
        graphs = ready_segments(connection, index)
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        connection.execute(text("SET LOCAL enable_sort = off"))
        through = queries._statement(query, queries.through_graphs(index, graphs))
        plan = "\n".join(connection.execute(text("EXPLAIN " + through.text), queries._point(query)).scalars())
        exactly = queries._statement(query, queries._EXACTLY)
        exact_plan = "\n".join(connection.execute(text("EXPLAIN " + exactly.text), queries._point(query)).scalars())
    assert graphs[-1].high == more[-1] + 1
    assert [plan.count(f"using {graph.name} ") for graph in graphs] == [1] * len(graphs)
    assert plan.count("vector_segment") == len(graphs)
    assert "vector_segment" not in exact_plan


def test_builders_side_by_side_build_each_graph_once(engine: Engine) -> None:
    key, _ = add(engine, 12, 12)
    built: list[int] = []
    threads = [Thread(target=lambda: built.append(build_due_segments(engine, memory_bytes=MEMORY))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(built) == 1
    assert [size for _, _, size in standing(engine, VectorIndex(key, 12, "document"))] == [12]


def test_what_was_left_half_built_goes_and_is_built_again(engine: Engine) -> None:
    key, ids = add(engine, 12, 13)
    index = VectorIndex(key, 13, "document")
    with engine.begin() as connection:
        owner = connection.execute(
            select(vector_index.c.id).where(vector_index.c.key == key, vector_index.c.scope == "document")
        ).scalar_one()
        half = connection.execute(
            insert(vector_segment)
            .values(index_id=owner, low=0, high=ids[-1] + 1, vectors=12, state=SegmentState.BUILDING)
            .returning(vector_segment.c.id)
        ).scalar_one()
        made = index.graph(f"vector_segment_{half}", 0, ids[-1] + 1).replace("CONCURRENTLY ", "")
        connection.execute(text(made))
    assert standing_names(engine, half) == 1
    assert found_near(engine, index, ids[0])[1] is True
    assert build_due_segments(engine, memory_bytes=MEMORY) == 1
    assert standing_names(engine, half) == 0
    assert [size for _, _, size in standing(engine, index)] == [12]


def standing_names(engine: Engine, segment: int) -> int:
    with engine.connect() as connection:
        named = text("SELECT count(*) FROM pg_indexes WHERE indexname = :name")
        return int(connection.execute(named, {"name": f"vector_segment_{segment}"}).scalar_one())


def test_deleting_a_measurement_takes_its_vectors_along(engine: Engine) -> None:
    key, ids = add(engine, 12, 14)
    build_due_segments(engine, memory_bytes=MEMORY)
    index = VectorIndex(key, 14, "document")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM analysis WHERE measurement_id = :id"), {"id": ids[0]})
        connection.execute(text("DELETE FROM measurement WHERE id = :id"), {"id": ids[0]})
        for table in (embedding, turn_embedding):
            assert connection.execute(select(table).where(table.c.measurement_id == ids[0])).first() is None
    assert found_near(engine, index, ids[0], 11)[0][0] > 1e-3


def test_the_process_that_sweeps_builds_what_is_due(engine: Engine, module_database_url: str) -> None:
    key, ids = add(engine, 10_000, 31)
    index = VectorIndex(key, 31, "document")
    with fleet(0, module_database_url):

        def ready() -> int:
            with engine.connect() as connection:
                return len(ready_segments(connection, index))

        until(ready, "a graph")
    assert standing(engine, index) == [(0, ids[-1] + 1, 10_000)]
    assert found_near(engine, index, ids[5000])[1] is False
