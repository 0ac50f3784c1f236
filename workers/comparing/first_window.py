"""The documents' first windows compared like the documents: what stands beside the result over the whole document."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attention.comparison import ComparisonResult, ComparisonSettings, Group, compare
from attention.comparison.first_window import effects_beside, first_window_caution
from attention.comparison.result import Warned
from attention.measure.metrics import mean_of_defined


def of_first_windows(group: Group, layers: Mapping[str, NDArray[np.float64]]) -> Group:
    """The same documents with the metrics of their first windows, (n, L) each, in place of their own."""
    return replace(
        group,
        layers=layers,
        overall={name: mean_of_defined(values) for name, values in layers.items()},
        heads=None,
        embeddings=None,
        layer_embeddings=None,
    )


def first_window_result(
    whole: ComparisonResult,
    groups: Mapping[str, Group | None],
    settings: ComparisonSettings,
    look: Callable[[str], None],
) -> tuple[dict[str, Any], Warned | None]:
    """Means and effects of the first windows in the form of the comparison's own, `effects` of both beside each other,
    and what is to be warned of.

    `whole` is the result over the windows spread over the documents. Where a group is None, for none of its documents
    has a first window, all is `refused` with this reason.
    """
    lacking = sorted(name for name, group in groups.items() if group is None)
    if lacking:
        return {"refused": f"no first window was measured in {', '.join(lacking)}"}, None
    measured = [group for group in groups.values() if group is not None]
    found = compare(measured, replace(settings, by_head=False, separability=False, maps=()), between_steps=look)
    effects = effects_beside(whole, found)
    shown = found.as_dict()
    parts = ("overall", "layers", "pairs", *(("paired",) if shown["paired"] else ()), "families")
    result = {**{part: shown[part] for part in parts}, "effects": [asdict(one) for one in effects]}
    return result, first_window_caution(effects)
