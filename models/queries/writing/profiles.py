"""Storing attention profiles: each model version's scale, the points of new measurements, and those still missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from attention.definitions import DEFINITIONS, PROFILE, PROFILE_METRICS
from attention.measure.profile import Scale, profiles
from models.queries.reading.layer_arrays import read_heads
from models.queries.search.profiles import StoredScale, find_scale
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import copy_blocks
from models.tables import measurement, profile_scale

BATCH = 500
"""Profiles that one sweep makes for measurements that have none."""


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

    points = stored.scale.points(profiles(heads))
    there = points.any(1)
    ids = np.array([*tenants])[there]
    if len(ids):
        rows = [
            wire.int8(ids),
            wire.text([tenants[int(each)] for each in ids]),
            wire.int8(np.full(len(ids), stored.key)),
            wire.vector(points[there]),
        ]
        copy_blocks(connection, "profile", ("measurement_id", "tenant_id", "scale_key", "profile"), [rows])


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
        .limit(BATCH)
        .with_for_update(key_share=True, skip_locked=True)
    )
    tenants = {row.id: row.tenant_id for row in connection.execute(chosen)}
    if tenants:
        heads = {metric: read_heads(connection, [*tenants], metric) for metric in PROFILE_METRICS}
        insert_profiles(connection, stored, tenants, heads)
        connection.execute(update(measurement).where(measurement.c.id.in_(tenants)).values(profiled=True))
    return len(tenants)
