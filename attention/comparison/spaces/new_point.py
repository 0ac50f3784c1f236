"""A new document on a drawn map: t-SNE for one more point, while those of the map stay where they are.

Over its position y it minimises Σ_j p_j log(p_j / q_j), q_j ∝ 1 / (1 + |y - y_j|²) over all points y_j of the map, with
p exaggerated; p is a Gaussian's over the nearest documents, of a stated perplexity (van der Maaten and Hinton 2008; for
new points Poličar, Stražar and Zupan 2023). Who drew the map does not matter.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from attention.comparison.groups import Floats

PERPLEXITY: Final = 5.0
NEIGHBOURS: Final = 15
"""Three times the perplexity; what is farther would weigh next to nothing."""
EXAGGERATION: Final = 4.0
"""How many times p counts, λ. For a document half like one cluster and half like another, D apart, what is minimised
grows as λ log D in either, and as 2 (λ - 1) log D between them, where the map is empty and repels little. Up to λ = 2
the empty middle may be best; on small maps it often is.
"""
ITERATIONS: Final = 250
_DESCENT: Final = {"learning_rate": 0.1, "momentum": 0.8, "max_grad_norm": 0.25, "max_step_norm": None}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new document stands, and with what it was found."""

    x: float
    y: float
    perplexity: float
    exaggeration: float
    iterations: int


def place(positions: Floats, neighbours: NDArray[np.intp], similarities: Floats) -> Place:
    """Place a document among the `positions` (n, 2) of a map.

    `neighbours` (k) are the rows of the documents nearest to it, nearest first, NEIGHBOURS of them where the map has as
    many; `similarities` (k) are their cosines with it. The descent begins at the neighbour where the exaggerated
    divergence is least; from a mean or a median of neighbours, which may lie far from all, it need not arrive.
    """
    # Imported here: few workers ever place a document, and it may compile its neighbour search on import.
    from openTSNE import PartialTSNEEmbedding, TSNEEmbedding
    from openTSNE.affinity import Affinities, joint_probabilities_nn

    n = len(positions)
    perplexity = max(1.0, min(PERPLEXITY, len(neighbours) / 3))
    distances = np.sqrt(np.maximum(0, 2 - 2 * similarities))  # (k,), between directions of length 1
    with threadpool_limits(1):
        p = joint_probabilities_nn(
            neighbours.astype(np.int32)[None],
            distances[None],
            [perplexity],
            symmetrize=False,
            normalization="point-wise",
            n_reference_samples=n,
        )  # (1, n)
        affinities = Affinities()
        affinities.P = csr_matrix((n, n))  # of the map among itself: only the shape is read, as nothing there moves
        drawn = TSNEEmbedding(positions, affinities)
        start = min(positions[neighbours], key=lambda at: _divergence(at[None], EXAGGERATION * p, drawn)[0])
        begun = PartialTSNEEmbedding(start[None], drawn, p, negative_gradient_method=_divergence)
        ((x, y),) = np.asarray(begun.optimize(ITERATIONS, exaggeration=EXAGGERATION, **_DESCENT))
    return Place(float(x), float(y), perplexity, EXAGGERATION, ITERATIONS)


def _divergence(embedding: Floats, P: csr_matrix, reference_embedding: Floats, **_: Any) -> tuple[float, Floats]:
    """The divergence of one point, and its gradient (1, 2) without the factor 4, as openTSNE's optimiser expects them.

    Exact, in one pass over the map. openTSNE's own two are made for many new points: one builds a tree of the whole map
    in every step, the other holds back points within its grid (in 1.0.4 their gains are set to 0 after every step).
    """
    away = np.asarray(embedding)[0] - np.asarray(reference_embedding)  # (n, 2)
    w = 1 / (1 + (away**2).sum(axis=1))  # (n,)
    total = w.sum()
    near = P.indices
    attraction = (P.data * w[near]) @ away[near]  # (2,)
    repulsion = (w**2 / total) @ away  # (2,)
    present = P.data > 0
    divergence = (P.data[present] * np.log(P.data[present] / w[near][present])).sum() + np.log(total)
    return float(divergence), (attraction - repulsion)[None]
