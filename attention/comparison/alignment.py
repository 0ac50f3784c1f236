"""Groups whose models differ: which layers answer to which, and whether heads can be compared at all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attention.comparison.groups import Group, Rearranged


def matched_by_depth(groups: Sequence[Group]) -> tuple[list[Group], dict[str, list[int]]]:
    """Give all groups the layers of the shallowest model, matched by relative depth.

    Layer l of L stands at depth l / (L - 1). Returns the groups and, for each that was thinned, which of its layers
    were taken. Groups of one depth come back unchanged.
    """
    shallowest = min(group.depth for group in groups)
    taken: dict[str, list[int]] = {}
    matched = []
    for group in groups:
        if group.depth == shallowest:
            matched.append(group)
            continue
        depth = np.arange(shallowest) / max(shallowest - 1, 1)
        layers = np.rint(depth * (group.depth - 1)).astype(int)
        taken[group.name] = layers.tolist()
        stored, firsts = group.layer_embeddings, group.first_windows
        matched.append(
            replace(
                group,
                layers={name: values[:, layers] for name, values in group.layers.items()},
                layer_embeddings=None if stored is None else Rearranged(stored, layers=layers),
                first_windows=None if firsts is None else {name: values[:, layers] for name, values in firsts.items()},
            )
        )
    return matched, taken


def heads_comparable(groups: Sequence[Group]) -> bool:
    """Whether every group has heads, and as many layers and heads as every other."""
    shapes = {group.head_shape for group in groups}
    return len(shapes) == 1 and None not in shapes
