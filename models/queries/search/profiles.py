"""Attention profiles to search among: each model version's scale, the points, and those that are still to be made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, String, cast, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from attention.definitions import DEFINITIONS, PROFILE, PROFILE_METRICS
from attention.measure.profile import Scale, profiles
from models.queries.reading.layer_arrays import read_heads
from models.queries.search.vectors import VectorIndex
from models.queries.writing.binary_copy import copy_rows
from models.tables import analysis, measurement, measurement_layer, profile, profile_scale

BITE = 500
"""Profiles that one sweep makes for measurements that have none."""


@dataclass(frozen=True, slots=True)
class StoredScale:
    """The scale of a model version under the present definition of profiles."""

    key: int
    scale: Scale

    @property
    def index(self) -> VectorIndex:
        """The index of its points."""
        return VectorIndex(self.key, self.scale.dimension, "document", "profile")


def find_scale(connection: Connection, version_key: int) -> StoredScale | None:
    """The scale of a model version; None until a worker has measured it."""
    columns = (profile_scale.c.key, profile_scale.c.means, profile_scale.c.deviations)
    row = connection.execute(
        select(*columns).where(profile_scale.c.version_key == version_key, profile_scale.c.definition == PROFILE)
    ).one_or_none()
    if row is None:
        return None
    return StoredScale(row.key, Scale(np.array(row.means, np.float64), np.array(row.deviations, np.float64)))


def store_scale(connection: Connection, version_key: int, scale: Scale) -> StoredScale:
    """Keep the scale of a model version. Where another worker was faster, its scale holds and is returned."""
    row = insert(profile_scale).values(
        version_key=version_key, definition=PROFILE, means=scale.means.tolist(), deviations=scale.deviations.tolist()
    )
    connection.execute(row.on_conflict_do_nothing())
    stored = find_scale(connection, version_key)
    assert stored is not None
    return stored


def insert_profiles(
    connection: Connection, stored: StoredScale, tenants: Mapping[int, str], heads: Mapping[str, NDArray[Any]]
) -> None:
    """Store the points of new measurements, by COPY: whose each is, by its id, and their heads (n, L, H) in order."""

    def rows() -> Iterable[tuple[Any, ...]]:
        points = stored.scale.points(profiles(heads))
        for (measurement_id, tenant_id), point in zip(tenants.items(), points, strict=True):
            if point.any():
                yield measurement_id, tenant_id, stored.key, point

    columns = {"measurement_id": "int8", "tenant_id": "text", "scale_key": "int8", "profile": "vector"}
    copy_rows(connection, "profile", columns, rows())


def make_missing_profiles(connection: Connection) -> int:
    """Make profiles of measurements that have none, which were stored before their version had a scale; how many."""
    missing = (~measurement.c.profiled, measurement.c.definitions == DEFINITIONS)
    version_key = connection.execute(
        select(profile_scale.c.version_key)
        .where(profile_scale.c.definition == PROFILE)
        .where(exists().where(measurement.c.version_key == profile_scale.c.version_key, *missing))
        .limit(1)
    ).scalar_one_or_none()
    if version_key is None:
        return 0
    stored = find_scale(connection, version_key)
    assert stored is not None
    chosen = (
        select(measurement.c.id, measurement.c.tenant_id)
        .where(measurement.c.version_key == version_key, *missing)
        .order_by(measurement.c.id)
        .limit(BITE)
        .with_for_update(key_share=True, skip_locked=True)
    )
    tenants = {row.id: row.tenant_id for row in connection.execute(chosen)}
    if tenants:
        heads = {metric: read_heads(connection, [*tenants], metric) for metric in PROFILE_METRICS}
        insert_profiles(connection, stored, tenants, heads)
        connection.execute(update(measurement).where(measurement.c.id.in_(tenants)).values(profiled=True))
    return len(tenants)


def profile_of_analysis(
    connection: Connection, tenant_id: str, analysis_id: str
) -> tuple[int, StoredScale | None, list[float]] | None:
    """Version key, scale and point of the tenant's analysis; None where there is no such analysis.

    A point that is not stored yet is made from the stored heads. Without a scale, or under other definitions, there is
    none, and no scale is told.
    """
    named = measurement.c.id, measurement.c.version_key, measurement.c.definitions
    row = connection.execute(
        select(*named, cast(profile.c.profile, String).label("vector"))
        .join_from(analysis, measurement)
        .outerjoin(profile, profile.c.measurement_id == measurement.c.id)
        .where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)
        .with_for_update(read=True, key_share=True, of=measurement)
    ).one_or_none()
    if row is None:
        return None
    stored = find_scale(connection, row.version_key)
    if stored is None or row.definitions != DEFINITIONS:
        return row.version_key, None, []
    if row.vector is not None:
        return row.version_key, stored, [float(value) for value in row.vector.strip("[]").split(",")]
    columns = [measurement_layer.c[f"{metric}_heads"].label(metric) for metric in PROFILE_METRICS]
    of_one = select(*columns).where(measurement_layer.c.measurement_id == row.id).order_by(measurement_layer.c.layer)
    layers = connection.execute(of_one).mappings().all()
    heads = {metric: np.array([[layer[metric] for layer in layers]], np.float32) for metric in PROFILE_METRICS}
    return row.version_key, stored, stored.scale.points(profiles(heads))[0].tolist()
