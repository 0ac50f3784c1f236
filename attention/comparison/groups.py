"""What goes into a comparison: groups of measured documents, and the settings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from attention.comparison.parts.spaces import Space
from attention.definitions import METRIC_NAMES
from attention.errors import ComparisonRefused

Array = NDArray[Any]
Floats = NDArray[np.float64]

MINIMUM_DOCUMENTS: Final = 8
"""Fewer usable documents in a group are refused: no interval from them would mean anything."""


class LayerEmbeddings(Protocol):
    """Embeddings of n documents at L layers, read one layer at a time: all of a large model's are gigabytes."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, L, d)"""

    def at(self, layer: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Those of these documents at one layer: (rows, d)."""


@dataclass(slots=True, kw_only=True)
class Group:
    """The measured documents of one domain, or of one model. NaN stands for a metric that a document does not have.

    `analysis_ids` (n); `overall` metric -> (n,); `layers` metric -> (n, L); `heads` metric -> (n, L, H), or None;
    `embeddings` (n, d), or None; `layer_embeddings`, or None; `clusters` (n) names of the book, series or
    repository that a document comes from, or None where documents are taken for independent; `documents` (n) names of
    the documents themselves, the same under every model, or None; `skipped` reason -> number of documents left out.
    What stands beside the comparison: `first_windows` metric -> (n, L) of each document's first window, or None;
    `tokens_per_word` (n) tokens a word of each document's own windows, or None.
    """

    name: str
    model: str
    analysis_ids: list[str]
    layers: Mapping[str, Array]
    overall: Mapping[str, Array]
    heads: Mapping[str, Array] | None = None
    embeddings: Array | None = None
    clusters: list[str] | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    layer_embeddings: LayerEmbeddings | None = None
    documents: list[str] | None = None
    first_windows: Mapping[str, Array] | None = None
    tokens_per_word: Floats | None = None

    @property
    def size(self) -> int:
        """Number of documents."""
        return len(self.analysis_ids)

    @property
    def depth(self) -> int:
        """Number of layers, L."""
        return next(iter(self.layers.values())).shape[1] if self.layers else 0

    @property
    def head_shape(self) -> tuple[int, int] | None:
        """(L, H), or None without heads."""
        if not self.heads:
            return None
        _, layers, heads = next(iter(self.heads.values())).shape
        return layers, heads


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSettings:
    """How to compare. Every count that shapes a number is stated in the result.

    `metrics` None takes every metric that the groups have; `maps` names spaces, `map_layers` adds a map of each of
    these layers; `permutations` serve separability, `head_permutations` the familywise check over heads,
    `pair_permutations` pairs of groups whose size or clusters rule out an exact answer.
    """

    seed: int = 0
    confidence: float = 0.95
    metrics: tuple[str, ...] | None = None
    by_head: bool = True
    separability: bool = True
    maps: tuple[Space, ...] = ("embedding", "profile")
    map_layers: tuple[int, ...] = ()
    bootstrap: int = 2000
    permutations: int = 200
    head_permutations: int = 1000
    pair_permutations: int = 9999
    separability_sample: int = 2000
    map_points: int = 50_000
    perplexity: float = 30.0

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise ComparisonRefused(f"confidence is {self.confidence}; give a value from 0.5 to below 1, such as 0.95")
        if self.permutations < 200 or self.head_permutations < 1000 or self.bootstrap < 1000:
            raise ComparisonRefused("at least 200 permutations, 1,000 head permutations and 1,000 resamples are needed")
        unknown = sorted(set(self.metrics or ()) - set(METRIC_NAMES))
        if unknown:
            raise ComparisonRefused(f"unknown metrics: {', '.join(unknown)}")


def canonical(groups: Sequence[Group]) -> list[Group]:
    """Check the groups and put them, and the documents inside each, in an order that the caller cannot influence.

    Groups are ordered by name, documents by their own numbers (clusters and ids break ties), so that neither the
    order of submission nor the ids that a data base happened to give can change a result.

    Raises:
        ComparisonRefused: fewer than two groups, a name twice, fewer than 8 documents in a group, or arrays whose
            lengths disagree.
    """
    if len(groups) < 2:
        raise ComparisonRefused("a comparison needs at least two groups")
    twice = [name for name, count in Counter(group.name for group in groups).items() if count > 1]
    if twice:
        raise ComparisonRefused(f"two groups are named {twice[0]!r}; give every group its own name")
    for group in groups:
        _check(group)
    return [_ordered(group) for group in sorted(groups, key=lambda group: group.name)]


def _check(group: Group) -> None:
    if group.size < MINIMUM_DOCUMENTS:
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(group.skipped.items()))
        raise ComparisonRefused(
            f"group {group.name!r} has {group.size} usable documents"
            + (f" (skipped: {skipped})" if skipped else "")
            + f"; a comparison needs at least {MINIMUM_DOCUMENTS} in every group",
            group=group.name,
        )
    if not group.layers or set(group.layers) != set(group.overall):
        raise ComparisonRefused(f"group {group.name!r} must have the same metrics per layer and overall", group.name)
    named = (group.layers, group.overall, group.heads or {}, group.first_windows or {})
    arrays = [array for values in named for array in values.values()]
    alone = [group.embeddings, group.layer_embeddings, group.tokens_per_word]
    sizes = [array.shape[0] for array in (*arrays, *alone) if array is not None]
    lists = [names for names in (group.clusters, group.documents) if names is not None]
    if any(size != group.size for size in sizes) or any(len(names) != group.size for names in lists):
        raise ComparisonRefused(f"group {group.name!r}: some values are not one a document", group.name)


def _ordered(group: Group) -> Group:
    names = sorted(group.overall)
    # The last key of lexsort is the first in rank: the metrics decide, then the cluster, then the id.
    keys: list[Array] = [np.array(group.analysis_ids)]
    if group.clusters is not None:
        keys.append(np.array(group.clusters))
    keys += [np.asarray(group.overall[name], dtype=np.float64) for name in reversed(names)]
    order = np.lexsort(keys)
    return _taken(group, order)


def _taken(group: Group, order: NDArray[np.intp]) -> Group:
    """The group's documents at these positions, in this order."""
    ids, clusters, documents = group.analysis_ids, group.clusters, group.documents
    firsts = group.first_windows
    return replace(
        group,
        analysis_ids=[ids[i] for i in order],
        layers={name: np.asarray(group.layers[name], dtype=np.float64)[order] for name in sorted(group.layers)},
        overall={name: np.asarray(group.overall[name], dtype=np.float64)[order] for name in sorted(group.overall)},
        heads=None if group.heads is None else Reordered(group.heads, order),
        embeddings=None if group.embeddings is None else group.embeddings[order],
        layer_embeddings=None if group.layer_embeddings is None else Rearranged(group.layer_embeddings, rows=order),
        clusters=None if clusters is None else [clusters[i] for i in order],
        documents=None if documents is None else [documents[i] for i in order],
        first_windows=None if firsts is None else {name: values[order] for name, values in firsts.items()},
        tokens_per_word=None if group.tokens_per_word is None else group.tokens_per_word[order],
    )


class Reordered(Mapping[str, Array]):
    """A group's head arrays with documents in another order; reordered one metric at a time, since all are large."""

    def __init__(self, heads: Mapping[str, Array], order: NDArray[np.intp]) -> None:
        self._heads = heads
        self._order = order

    def __getitem__(self, metric: str) -> Array:
        taken: Array = self._heads[metric][self._order]
        return taken

    def __iter__(self) -> Any:
        return iter(sorted(self._heads))

    def __len__(self) -> int:
        return len(self._heads)


class Rearranged:
    """Layer embeddings with documents in another order, or of some of the layers."""

    def __init__(
        self,
        embeddings: LayerEmbeddings,
        *,
        rows: NDArray[np.intp] | None = None,
        layers: NDArray[np.intp] | None = None,
    ) -> None:
        documents, depth, _ = embeddings.shape
        self._embeddings = embeddings
        self._rows = np.arange(documents) if rows is None else rows
        self._layers = np.arange(depth) if layers is None else layers

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, L, d)"""
        return len(self._rows), len(self._layers), self._embeddings.shape[2]

    def at(self, layer: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Those of these documents at one layer: (rows, d)."""
        return self._embeddings.at(int(self._layers[layer]), self._rows[rows])


def blocks_of_columns(values: Array) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Split columns of (n, K) by which rows they have: a list of (rows without NaN, columns that have just these)."""
    missing = np.isnan(values)
    every = np.arange(values.shape[1])
    if not missing.any():
        return [(np.arange(values.shape[0]), every)]
    packed = np.ascontiguousarray(np.packbits(missing, axis=0).T)
    patterns, which = np.unique(packed, axis=0, return_inverse=True)
    which = which.reshape(-1)
    columns_of = [every[which == pattern] for pattern in range(len(patterns))]
    return [(np.flatnonzero(~missing[:, columns[0]]), columns) for columns in columns_of]
