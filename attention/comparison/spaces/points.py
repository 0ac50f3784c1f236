"""The spaces in which documents are points: their embeddings, and their attention profiles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import Array, Group
from attention.comparison.parts.spaces import Space
from attention.definitions import PROFILE_METRICS
from attention.measure.profile import Scale


def available(groups: Sequence[Group], space: Space, layer: int | None = None) -> bool:
    """Whether every group has the space, in the same number of dimensions."""
    if space == "embedding":
        arrays = [group.embeddings if layer is None else group.layer_embeddings for group in groups]
        present = [array for array in arrays if array is not None]
        return len(present) == len(groups) and len({array.shape[-1] for array in present}) == 1
    shapes = {group.head_shape for group in groups}
    return len(shapes) == 1 and None not in shapes and all(set(PROFILE_METRICS) <= set(g.heads or ()) for g in groups)


def points(
    groups: Sequence[Group], space: Space, layer: int | None, chosen: Sequence[NDArray[np.intp]]
) -> NDArray[np.float32]:
    """The chosen documents of every group, one below the other: (n, dimensions).

    A profile is every head's distance, dispersion, interdependency and sink (of one layer, or of all), each
    standardised by these documents; a head without a value stands at the mean.
    """
    if space == "embedding":
        return np.concatenate(
            [_embeddings(group, layer, rows) for group, rows in zip(groups, chosen, strict=True)]
        ).astype(np.float32)
    columns = []
    for metric in PROFILE_METRICS:
        parts = []
        for group, rows in zip(groups, chosen, strict=True):
            assert group.heads is not None
            values = group.heads[metric][rows]  # (n, L, H)
            parts.append((values if layer is None else values[:, layer]).reshape(len(rows), -1))
        numbers = np.concatenate(parts).astype(np.float64)
        columns.append(Scale.of(numbers).standardised(numbers))
    return np.concatenate(columns, axis=1).astype(np.float32)


def _embeddings(group: Group, layer: int | None, rows: NDArray[np.intp]) -> Array:
    if layer is None:
        assert group.embeddings is not None
        return group.embeddings[rows]
    assert group.layer_embeddings is not None
    return group.layer_embeddings.at(layer, rows)


def directions(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows brought to length 1; between them Euclidean distance orders points as cosine does."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (values / np.where(length > 0, length, 1)).astype(np.float32)
    return unit
