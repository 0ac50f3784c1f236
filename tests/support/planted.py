"""Groups with differences that the tests put there themselves."""

from collections.abc import Sequence

import numpy as np

from attention.comparison.groups import Group
from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES


def planted_group(
    name: str,
    *,
    size: int = 16,
    layers: int = 2,
    heads: int = 3,
    dimensions: int = 8,
    shift: float = 0.0,
    shifted_heads: Sequence[tuple[str, int, int]] | None = None,
    conversation: bool = True,
    clusters: int | None = None,
    seed: int = 0,
    metrics: Sequence[str] = METRIC_NAMES,
    model: str = "model",
) -> Group:
    """Standard normal values, `shift` added to every head or to `shifted_heads` alone; layers and overall are means."""
    random = np.random.default_rng([seed, *name.encode()])
    cluster = np.arange(size) % (clusters or size)
    by_head = {}
    for metric in metrics:
        values = random.normal(size=(size, layers, heads))
        if metric in CONVERSATION_METRIC_NAMES and not conversation:
            values[:] = np.nan
        if shifted_heads is None:
            values += shift
        if clusters is not None:
            values += random.normal(size=(clusters, 1, 1))[cluster]
        by_head[metric] = values
    for metric, layer, head in shifted_heads or ():
        by_head[metric][:, layer, head] += shift
    embeddings = random.normal(size=(size, dimensions))
    embeddings[:, 0] += 4 * shift
    return Group(
        name=name,
        model=model,
        analysis_ids=[f"{name}-{number}" for number in range(size)],
        layers={metric: values.mean(axis=2) for metric, values in by_head.items()},
        overall={metric: values.mean(axis=(1, 2)) for metric, values in by_head.items()},
        heads=by_head,
        embeddings=embeddings,
        clusters=None if clusters is None else [f"book {number}" for number in cluster],
        documents=[f"document {number}" for number in range(size)],
    )
