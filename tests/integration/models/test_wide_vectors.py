"""Vectors of more numbers than pgvector's types hold are stored, read and searched exactly, as the others are."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from seeded_analyses import add_analyses
from sqlalchemy import Engine, create_engine, select, text

from models.queries.access.keys import ensure_local_tenant
from models.queries.reading.layer_arrays import find_layer_embeddings, read_embeddings
from models.queries.search import segments
from models.queries.search.nearest import Candidates, NearestQuery, nearest, vector_of_analysis
from models.queries.search.segments import build_due_segments, ready_segments, register_index
from models.queries.search.vectors import Scope, VectorIndex
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import copy_blocks
from models.tables import LOCAL_TENANT, analysis, model_version
from models.wide_vectors import WIDEST

DIMENSION = 2 * WIDEST + 400
COUNT = 30


@pytest.fixture(scope="module")
def engine(module_database_url: str) -> Iterator[Engine]:
    """One database for the module."""
    made = create_engine(module_database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return np.random.default_rng(4).normal(size=(COUNT, DIMENSION)).astype(np.float32)


@pytest.fixture(scope="module")
def stored(engine: Engine, vectors: NDArray[np.float32]) -> tuple[int, list[int], list[str]]:
    """Version, measurements and analyses, with a vector of each document, its first turn and a layer."""
    with engine.begin() as connection:
        ensure_local_tenant(connection)
        job_id = add_analyses(connection, COUNT, model="wide")
        chosen = select(analysis.c.id, analysis.c.measurement_id).where(analysis.c.job_id == job_id)
        rows = connection.execute(chosen.order_by(analysis.c.created_at)).all()
        version = connection.execute(select(model_version.c.key).where(model_version.c.model_id == "wide")).scalar_one()
        ids = [row.measurement_id for row in rows]
        of_each = wire.int8(ids), wire.text([LOCAL_TENANT] * COUNT), wire.int8(np.full(COUNT, version))
        columns = ("measurement_id", "tenant_id", "version_key", "wide")
        copy_blocks(connection, "embedding", columns, [[*of_each, wire.float4_array(vectors)]])
        of_turns = [*of_each, wire.float4_array(-vectors), wire.int4(np.zeros(COUNT))]
        copy_blocks(connection, "turn_embedding", (*columns, "turn"), [of_turns])
        of_layers = [wire.int8(ids), wire.int2(np.zeros(COUNT)), wire.float4_array(2 * vectors)]
        copy_blocks(connection, "layer_embedding", ("measurement_id", "layer", "wide"), [of_layers])
    return version, ids, [row.id for row in rows]


@pytest.mark.parametrize("space", ["document", "turn"])
def test_a_search_is_exact_and_says_so(
    space: Scope, engine: Engine, stored: tuple[int, list[int], list[str]], vectors: NDArray[np.float32]
) -> None:
    version, _, analyses = stored
    index = VectorIndex(version, DIMENSION, space)
    point = np.random.default_rng(9).normal(size=DIMENSION)
    known = vectors.astype(np.float64) * (-1 if space == "turn" else 1)
    distance = 1 - known @ point / np.linalg.norm(known, axis=1) / np.linalg.norm(point)
    with engine.begin() as connection:
        found, exact = nearest(connection, NearestQuery(Candidates(LOCAL_TENANT), index, point.tolist(), 5))
        elsewhere, _ = nearest(connection, NearestQuery(Candidates("nobody"), index, point.tolist(), 5))
        prose, _ = nearest(
            connection, NearestQuery(Candidates(LOCAL_TENANT, domain="prose"), index, point.tolist(), 99)
        )
    nearest_five = np.argsort(distance)[:5]
    assert exact
    assert [row.analysis_id for row in found] == [analyses[place] for place in nearest_five]
    np.testing.assert_allclose([row.distance for row in found], distance[nearest_five], atol=1e-6)
    assert elsewhere == []
    assert len(prose) == COUNT / 2


def test_they_are_read_back_as_they_were(
    engine: Engine, stored: tuple[int, list[int], list[str]], vectors: NDArray[np.float32]
) -> None:
    version, ids, analyses = stored
    with engine.connect() as connection:
        documents = read_embeddings(connection, ids)
        layers = find_layer_embeddings(connection, ids)
        of_one = vector_of_analysis(connection, LOCAL_TENANT, analyses[3])
    assert documents is not None
    assert layers is not None
    assert of_one is not None
    np.testing.assert_array_equal(documents, vectors)
    assert layers.shape == (COUNT, 1, DIMENSION)
    np.testing.assert_array_equal(layers.at(0, np.array([2, 7])), 2 * vectors[[2, 7]])
    assert of_one[0] == version
    np.testing.assert_array_equal(np.float32(of_one[1]), vectors[3])


def test_no_graph_is_built_of_them(
    engine: Engine, stored: tuple[int, list[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    version, _, _ = stored
    monkeypatch.setattr(segments, "UNSEARCHED", 1)
    index = VectorIndex(version, DIMENSION, "document")
    with engine.begin() as connection:
        register_index(connection, index, wanted=True)
    assert build_due_segments(engine, memory_bytes=64 << 20) == 0
    with engine.connect() as connection:
        assert ready_segments(connection, index) == []


def test_a_row_has_a_vector_in_one_of_the_two_forms(engine: Engine, stored: tuple[int, list[int], list[str]]) -> None:
    assert stored
    with engine.connect() as connection, pytest.raises(Exception, match="layer_embedding_one_vector_check"):
        connection.execute(text("INSERT INTO layer_embedding SELECT id, 9, NULL FROM measurement LIMIT 1"))
