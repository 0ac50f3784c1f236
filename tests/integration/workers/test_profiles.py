"""Profiles in the database: made once for each measurement, in bites, and found through the index of their scale."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from api_service import api_process
from seeded_work import MODEL, add_job, add_tenant, states
from sqlalchemy import Connection, Engine, create_engine, delete, func, insert, select, text

from attention.definitions import DEFINITIONS, METRIC_NAMES, PROFILE, PROFILE_METRICS
from attention.errors import NotFinite
from attention.measure.profile import Scale
from models.identifiers import new_identifier
from models.queries.access.keys import ensure_local_tenant
from models.queries.search import nearest as queries
from models.queries.search import segments
from models.queries.search.nearest import Candidates, NearestQuery, nearest, without_profile
from models.queries.search.profiles import StoredScale, find_scale
from models.queries.search.segments import build_due_segments, ready_segments, register_index
from models.queries.writing.profiles import BATCH, make_missing_profiles, store_scale
from models.settings import ModelEntry, Settings
from models.tables import (
    LOCAL_TENANT,
    analysis,
    document,
    measurement,
    measurement_layer,
    model_version,
    profile,
    work_item,
)
from workers.dispatch import Dispatcher
from workers.measuring import model_registry
from workers.measuring.model_registry import ModelRegistry
from workers.process import WorkerProcess

pytestmark = pytest.mark.xdist_group("profiles")

LAYERS, HEADS = 2, 3
COUNT = 400
NUMBERS = 4 * LAYERS * HEADS
SCALE = Scale(np.linspace(-1, 1, NUMBERS), np.linspace(0.5, 2, NUMBERS))


@pytest.fixture
def two_tenants(database_url: str) -> Iterator[Engine]:
    """A database for each test, with a tenant beside the local one."""
    made = create_engine(database_url)
    with made.begin() as connection:
        ensure_local_tenant(connection)
        add_tenant(connection, "other")
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[tuple[Engine, int, StoredScale]]:
    """Two tenants with as many profiles each, the version they are of and its scale."""
    engine = create_engine(module_database_url)
    with engine.begin() as connection:
        ensure_local_tenant(connection)
        add_tenant(connection, "other")
        key = add_version(connection)
        for tenant_id in (LOCAL_TENANT, "other"):
            add_measured(connection, key, range(COUNT), tenant_id)
        stored = store_scale(connection, key, SCALE)
    made = []
    while not made or made[-1]:
        with engine.begin() as connection:
            made.append(make_missing_profiles(connection))
    assert made == [BATCH, 2 * COUNT - BATCH, 0]
    with engine.begin() as connection:
        register_index(connection, stored.index, wanted=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments, "UNSEARCHED", COUNT)
        assert build_due_segments(engine, memory_bytes=64 << 20) == 1
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield engine, key, stored
    engine.dispose()


def add_version(connection: Connection) -> int:
    values = {"model_id": MODEL, "revision": "r", "weights_sha256": "w", "dtype": "float32"}
    version = insert(model_version).values(dimension=16, facts={}, **values).returning(model_version.c.key)
    return int(connection.execute(version).scalar_one())


def heads_of(number: int) -> dict[str, np.ndarray[Any, Any]]:
    """Seeded heads of every metric, (L, H) each; one of them is undefined."""
    random = np.random.default_rng(number)
    heads = {name: random.normal(size=(LAYERS, HEADS)).astype(np.float32) for name in METRIC_NAMES}
    heads["sink"][1, 2] = np.nan
    return heads


def point_of(number: int) -> np.ndarray[Any, Any]:
    """The same document's point, by hand."""
    measured = np.concatenate([heads_of(number)[metric].ravel() for metric in PROFILE_METRICS]).astype(np.float64)
    return np.nan_to_num((measured - SCALE.means) / SCALE.deviations, nan=0.0)


def add_measured(connection: Connection, key: int, numbers: Sequence[int], tenant_id: str = LOCAL_TENANT) -> None:
    """An analysis of each number as an older version stored it, with heads and no profile; each 50th is rare."""
    job_id = add_job(connection, [f"text {number}" for number in numbers], tenant_id=tenant_id)
    items = connection.execute(
        select(work_item.c.id, work_item.c.document_id).where(work_item.c.job_id == job_id).order_by(work_item.c.id)
    ).all()
    for number, item in zip(numbers, items, strict=True):
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
        heads = heads_of(number)
        connection.execute(
            insert(measurement_layer),
            [
                {"measurement_id": measured, "layer": layer}
                | {f"{name}_heads": heads[name][layer].tolist() for name in METRIC_NAMES}
                for layer in range(LAYERS)
            ],
        )
        connection.execute(
            insert(analysis).values(
                id=new_identifier("an"), tenant_id=tenant_id, job_id=job_id, work_item_id=item.id,
                document_id=item.document_id, measurement_id=measured, model_id=MODEL, listed=True, cached=False,
                timing={},
            )
        )  # fmt: skip


def best(vector: np.ndarray[Any, Any], k: int, step: int = 1) -> dict[str, float]:
    """The k documents nearest to a point, and how near."""
    numbers = range(0, COUNT, step)
    points = np.array([point_of(number) for number in numbers])
    near = points @ vector / np.linalg.norm(points, axis=1) / np.linalg.norm(vector)
    order = np.argsort(-near)[:k]
    return {f"{LOCAL_TENANT}-{numbers[place]}": near[place] for place in order}


def wanted(stored: StoredScale, number: int, k: int, domain: str | None = None) -> NearestQuery:
    return NearestQuery(Candidates(LOCAL_TENANT, domain=domain), stored.index, point_of(number).tolist(), k)


def test_few_candidates_are_all_compared(filled: tuple[Engine, int, StoredScale]) -> None:
    engine, key, stored = filled
    with engine.begin() as connection:
        rows, exact = nearest(connection, wanted(stored, 1_000, 10))
        assert without_profile(connection, Candidates(LOCAL_TENANT), key) == 0
    assert exact is True
    expected = best(point_of(1_000), 10)
    assert [row.external_id for row in rows] == [*expected]
    assert [1 - row.distance for row in rows] == pytest.approx([*expected.values()], abs=1e-6)
    assert [row.turn for row in rows] == [None] * 10


def test_among_many_the_scales_own_graph_is_walked(
    filled: tuple[Engine, int, StoredScale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "EXACT_CANDIDATES", 100)
    engine, _, stored = filled
    asked = wanted(stored, 1_001, 10)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        rows, exact = nearest(connection, asked)
        connection.execute(text("SET LOCAL enable_sort = off"))
        [graph] = ready_segments(connection, stored.index)
        statement = queries._statement(asked, queries.through_graphs(stored.index, [graph]))
        plan = "\n".join(connection.execute(text("EXPLAIN " + statement.text), queries._point(asked)).scalars())
        exactly = queries._statement(asked, queries._EXACTLY)
        exact_plan = "\n".join(connection.execute(text("EXPLAIN " + exactly.text), queries._point(asked)).scalars())
    assert exact is False
    assert len(best(point_of(1_001), 10).keys() & {row.external_id for row in rows}) >= 9
    assert f"Index Scan using {graph.name} on profile" in plan
    assert graph.name not in exact_plan


def test_a_filter_that_few_profiles_pass_loses_none_of_them(
    filled: tuple[Engine, int, StoredScale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "EXACT_CANDIDATES", 4)
    engine, _, stored = filled
    with engine.begin() as connection:
        rows, _ = nearest(connection, wanted(stored, 1_002, 8, domain="rare"))
    assert [row.external_id for row in rows] == [*best(point_of(1_002), 8, step=50)]


def test_sweepers_side_by_side_make_each_profile_once(two_tenants: Engine) -> None:
    with two_tenants.begin() as connection:
        key = add_version(connection)
        add_measured(connection, key, range(60))
        store_scale(connection, key, SCALE)

    def sweep(_: int) -> int:
        with two_tenants.begin() as connection:
            return make_missing_profiles(connection)

    with ThreadPoolExecutor(4) as pool:
        made = sum(pool.map(sweep, range(4)))
    with two_tenants.connect() as connection:
        stored = connection.execute(select(func.count()).select_from(profile)).scalar_one()
    assert (made, stored, sweep(0)) == (60, 60, 0)


def test_measurements_under_other_definitions_stay_without_a_profile_and_are_counted(two_tenants: Engine) -> None:
    with two_tenants.begin() as connection:
        key = add_version(connection)
        add_measured(connection, key, range(3))
        store_scale(connection, key, SCALE)
        connection.execute(measurement.update().where(measurement.c.work_key == b"1").values(definitions="older"))
        assert make_missing_profiles(connection) == 2
        assert make_missing_profiles(connection) == 0
        assert without_profile(connection, Candidates(LOCAL_TENANT), key) == 1
        assert without_profile(connection, Candidates("other"), key) == 0


def test_a_profile_at_the_mean_of_every_head_has_no_direction_and_no_row(two_tenants: Engine) -> None:
    with two_tenants.begin() as connection:
        key = add_version(connection)
        add_measured(connection, key, [7])
        store_scale(connection, key, Scale(np.zeros(NUMBERS), np.zeros(NUMBERS)))
        assert make_missing_profiles(connection) == 1
        assert make_missing_profiles(connection) == 0
        assert connection.execute(select(func.count()).select_from(profile)).scalar_one() == 0
        assert without_profile(connection, Candidates(LOCAL_TENANT), key) == 0


def test_the_first_scale_of_a_version_holds_for_everybody(two_tenants: Engine) -> None:
    with two_tenants.begin() as connection:
        key = add_version(connection)
        assert find_scale(connection, key) is None
        first = store_scale(connection, key, SCALE)
        second = store_scale(connection, key, Scale(SCALE.means + 1, SCALE.deviations))
        assert second.key == first.key
        assert second.scale.means == pytest.approx(SCALE.means, abs=0)


def test_a_worker_without_a_scale_measures_all_the_same_and_the_sweeper_makes_the_same_points_later(
    two_tenants: Engine, celery_broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del celery_broker
    entries = (ModelEntry(id=MODEL, packaged=True, default=True),)

    def measured_by_a_new_worker() -> Any:
        """Profile or None, as a worker stores it that has just started."""
        with two_tenants.begin() as connection:
            job_id = add_job(connection, ["The ferry was late, and nobody minded."])
        worker = Dispatcher(
            WorkerProcess(two_tenants, Settings(threads=1)), ModelRegistry(two_tenants, entries, 1_024), two_tenants
        )
        worker.answer_model(MODEL)
        assert states(two_tenants, job_id) == {"done": 1}
        return stored_point()

    def stored_point() -> Any:
        with two_tenants.connect() as connection:
            point = connection.execute(select(profile.c.profile)).scalar_one_or_none()
        return None if point is None else np.asarray(point, np.float32)

    with monkeypatch.context() as broken:
        broken.setattr(
            model_registry, "measured_scale", Mock(side_effect=NotFinite("the network's arithmetic overflowed"))
        )
        assert measured_by_a_new_worker() is None
    assert measured_by_a_new_worker() is None, "known already"
    with two_tenants.begin() as connection:
        assert make_missing_profiles(connection) == 1
    later = stored_point()
    with two_tenants.begin() as connection:
        connection.execute(delete(analysis))
        connection.execute(delete(measurement))
    assert np.array_equal(measured_by_a_new_worker(), later)


def test_what_no_worker_has_a_scale_for_is_not_found_and_counted(
    two_tenants: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with two_tenants.begin() as connection:
        key = add_version(connection)
        add_measured(connection, key, range(3))
        analysis_id = connection.execute(select(analysis.c.id).order_by(analysis.c.id).limit(1)).scalar_one()
    with api_process(database_url, broker_url, tmp_path / "api.log") as api:
        for start, missing in (({"analysis_id": analysis_id}, 2), ({"vector": [1.0] * NUMBERS}, 3)):
            found = api.post("/v1/search", json={**start, "space": "profile"}).json()
            assert found["items"] == []
            assert found["profile"] == {
                "definition": PROFILE, "numbers": None, "dimension": None, "missing": missing,
            }  # fmt: skip
