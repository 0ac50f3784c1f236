"""Groups as the statistics take them, each prepared once for every step of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import Floats, Group
from attention.definitions import METRIC_NAMES


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PreparedGroup:
    """A group of n documents with what every step needs of it.

    `unit` (n,) numbers the unit of evidence of each document, its cluster or itself, from 0 to `units` - 1 in the order
    of their names; `columns` (n, M * (1 + L)) holds metric by metric the value over all layers, then each layer's.
    """

    group: Group
    unit: NDArray[np.intp]
    units: int
    columns: Floats
    depth: int

    @property
    def name(self) -> str:
        """The group's name."""
        return self.group.name


def prepared(group: Group, metrics: Sequence[str] | None = None) -> PreparedGroup:
    """The group prepared for these metrics, by default all that it has, in the order of the definitions."""
    chosen = [name for name in METRIC_NAMES if name in group.overall] if metrics is None else metrics
    unit, units = _units(group)
    parts = [np.column_stack([group.overall[name], group.layers[name]]) for name in chosen]
    return PreparedGroup(group=group, unit=unit, units=units, columns=np.concatenate(parts, axis=1), depth=group.depth)


def joint_units(groups: Sequence[PreparedGroup]) -> list[NDArray[np.intp]]:
    """The units of each group's documents, numbered through all groups; a cluster belongs to one group."""
    joined, before = [], 0
    for group in groups:
        joined.append(group.unit + before)
        before += group.units
    return joined


def _units(group: Group) -> tuple[NDArray[np.intp], int]:
    if group.clusters is None:
        return np.arange(group.size), group.size
    names, index = np.unique(np.array(group.clusters), return_inverse=True)
    return index.astype(np.intp), len(names)
