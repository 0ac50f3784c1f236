"""How well groups separate in the spaces in which documents are points, and maps of these."""

from dataclasses import dataclass
from typing import Literal

Space = Literal["embedding", "profile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """A measure under permuted labels: its mean, its 95th percentile, and p (one-sided) of the measured value."""

    mean: float
    p95: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Separability:
    """One space, at one layer or (None) over the whole document; a measure that cannot be taken is None.

    `silhouette` by cosine (-1 to 1), `neighbour_purity` of so many `neighbours` and balanced `accuracy` over the folds
    (0 to 1), each beside its values under permuted labels.
    """

    space: Space
    layer: int | None = None
    documents: int
    dimensions: int
    neighbours: int
    folds: int
    silhouette: float | None
    silhouette_permuted: Chance | None
    neighbour_purity: float | None
    neighbour_purity_permuted: Chance | None
    accuracy: float | None
    accuracy_permuted: Chance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One document on a map."""

    analysis_id: str
    group: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A map of one space, of one layer or (None) of the whole document, with what is needed to repeat it."""

    space: Space
    layer: int | None
    method: str
    perplexity: float
    trustworthiness: float
    trustworthiness_documents: int
    seed: int
    points: tuple[Point, ...] = ()
