"""Attention profiles to search among: each model version's scale, and the point of an analysis."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, String, cast, select

from attention.definitions import DEFINITIONS, PROFILE, PROFILE_METRICS
from attention.measure.profile import Scale, profiles
from models.queries.search.stored_vectors import read_vector
from models.queries.search.vectors import VectorIndex
from models.tables import analysis, measurement, measurement_layer, profile, profile_scale


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
        return row.version_key, stored, read_vector(row.vector)
    columns = [measurement_layer.c[f"{metric}_heads"].label(metric) for metric in PROFILE_METRICS]
    of_one = select(*columns).where(measurement_layer.c.measurement_id == row.id).order_by(measurement_layer.c.layer)
    layers = connection.execute(of_one).mappings().all()
    heads = {metric: np.array([[layer[metric] for layer in layers]], np.float32) for metric in PROFILE_METRICS}
    return row.version_key, stored, stored.scale.points(profiles(heads))[0].tolist()
