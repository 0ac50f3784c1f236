"""Placing a document on a comparison's map: its neighbours and the map's points from the database, then t-SNE."""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from attention.comparison.spaces.new_point import NEIGHBOURS, place
from models.queries.search.map_points import nearest_points, positions_of_points
from models.schemas.placement import Neighbour, Placed

METHOD = f"t-SNE among the map's points, which stay where they are, by the {NEIGHBOURS} nearest documents (openTSNE)"

SHOWN = 10
"""How many neighbours are told; the group is theirs."""


def place_on_map(
    engine: Engine, comparison_id: str, version_key: int, embedding: NDArray[np.float32]
) -> dict[str, Any] | None:
    """A `Placed` as JSON. None where no document of the map is left that was measured under the model's version."""
    with engine.connect() as connection:
        positions = np.column_stack(positions_of_points(connection, comparison_id))  # (n, 2)
        near = nearest_points(connection, comparison_id, version_key, embedding.tolist(), NEIGHBOURS)
    if not near:
        return None
    neighbours = [
        Neighbour(
            analysis_id=row.analysis_id,
            group=row.group,
            x=row.x,
            y=row.y,
            similarity=max(-1.0, min(1.0, float(row.similarity))),
        )
        for row in near
    ]
    similarities = np.array([one.similarity for one in neighbours])
    found = place(positions, np.array([row.row for row in near]), similarities)
    told = neighbours[:SHOWN]
    placed = Placed(
        x=found.x,
        y=found.y,
        group=_group_of(told),
        method=METHOD,
        perplexity=found.perplexity,
        exaggeration=found.exaggeration,
        iterations=found.iterations,
        neighbours=told,
    )
    return placed.model_dump(mode="json")


def _group_of(neighbours: list[Neighbour]) -> str:
    """The group with most of their similarity; all weigh the same where none is similar."""
    weights = [max(0.0, one.similarity) for one in neighbours]
    if not any(weights):
        weights = [1.0] * len(neighbours)
    of_group: dict[str, float] = defaultdict(float)
    for one, weight in zip(neighbours, weights, strict=True):
        of_group[one.group] += weight
    return max(sorted(of_group), key=of_group.__getitem__)
