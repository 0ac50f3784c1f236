"""Maps: documents in the plane by t-SNE, with everything needed to repeat them.

Up to 5,000 documents scikit-learn's Barnes-Hut is the faster, above them openTSNE's interpolation (van der Maaten
2014; Linderman et al. 2019). Both start from principal components and work on one thread, where they give the same
bytes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from threadpoolctl import threadpool_limits

from attention.comparison.groups import Floats, Group
from attention.comparison.parts.spaces import Map, Point, Space
from attention.comparison.spaces.points import directions, points
from attention.comparison.statistics.generators import generator

INTERPOLATION_ABOVE: Final = 5_000
COMPONENTS: Final = 50
TRUST_SAMPLE: Final = 2_000
"""Trustworthiness needs all pairs of distances; above this many documents it is taken on a seeded sample, and that
is said.
"""


def draw_map(groups: list[Group], space: Space, layer: int | None, *, seed: int, limit: int, perplexity: float) -> Map:
    """Map the groups' documents, at most `limit` of them (a seeded sample, in proportion)."""
    total = sum(group.size for group in groups)
    chosen: list[NDArray[np.intp]] = []
    for group in groups:
        count = group.size if total <= limit else max(1, limit * group.size // total)
        random = generator(seed, "map", group.name)
        chosen.append(np.sort(random.choice(group.size, count, replace=False)))
    values = directions(points(groups, space, layer, chosen))
    n = len(values)
    perplexity = float(min(perplexity, (n - 1) / 3))
    state = int(generator(seed, "map", space, -1 if layer is None else layer).integers(2**31))
    with threadpool_limits(1):
        reduced = values.astype(np.float64)
        if min(values.shape) > COMPONENTS:
            reduced = PCA(COMPONENTS, svd_solver="randomized", random_state=state).fit_transform(reduced)
        positions, method = _embedded(reduced, perplexity, state)
        sample = np.arange(n)
        if n > TRUST_SAMPLE:
            sample = np.sort(generator(seed, "trust").choice(n, TRUST_SAMPLE, replace=False))
        neighbours = min(10, len(sample) // 2 - 1)
        trust = trustworthiness(values[sample], positions[sample], n_neighbors=neighbours)
    named = [(group.analysis_ids[row], group.name) for group, rows in zip(groups, chosen, strict=True) for row in rows]
    return Map(
        space=space,
        layer=layer,
        method=method,
        perplexity=perplexity,
        trustworthiness=float(trust),
        trustworthiness_documents=len(sample),
        seed=state,
        points=tuple(
            Point(analysis_id=name, group=group, x=x, y=y)
            for (name, group), (x, y) in zip(named, positions.tolist(), strict=True)
        ),
    )


def _embedded(reduced: Floats, perplexity: float, state: int) -> tuple[Floats, str]:
    if len(reduced) <= INTERPOLATION_ABOVE:
        planar = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=state, n_jobs=1)
        return planar.fit_transform(reduced).astype(np.float64), "t-SNE, Barnes-Hut (scikit-learn)"
    # Imported here: it compiles its neighbour search on import, and small maps never need it.
    import openTSNE

    planar = openTSNE.TSNE(
        2, perplexity=perplexity, initialization="pca", negative_gradient_method="fft", random_state=state, n_jobs=1
    )
    return np.asarray(planar.fit(reduced), dtype=np.float64), "t-SNE, interpolation (openTSNE)"
