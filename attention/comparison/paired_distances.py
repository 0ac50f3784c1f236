"""The same documents under several models: distances in words, since a token is not the same thing to two models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from attention.comparison.compare import compare
from attention.comparison.groups import Array, ComparisonSettings, Floats, Group
from attention.comparison.parts.repeated import DistanceInWords, LayerDistances
from attention.text.spans import count_words, sample_spans

DISTANCE: Final = "distance"
IN_WORDS: Final = "distance_words"


def words_in_windows(text: str, *, characters: int, count: int, seed: int) -> int:
    """Words in the windows of so many characters that are read of a text, `count` of them placed by the seed.

    Raises TooShort where the text does not fill one window.
    """
    return count_words(text, sample_spans(text, characters=characters, count=count, seed=seed))


def distance_in_words(
    groups: Sequence[Group], settings: ComparisonSettings, between_steps: Callable[[str], None]
) -> DistanceInWords:
    """Each document's distance in tokens over its own tokens a word, compared like any metric."""
    plain = replace(settings, metrics=(DISTANCE,), by_head=False, separability=False, maps=())
    found = compare([_in_words(group) for group in groups], plain, between_steps=between_steps)
    rates = {group.name: _rates(group) for group in groups}
    return DistanceInWords(
        metric=IN_WORDS,
        unit="words",
        tokens_per_word={name: _mean(rates[name]) for name in sorted(rates)},
        overall=found.overall[DISTANCE],
        layers=tuple(LayerDistances(layer=one.layer, groups=one.metrics[DISTANCE]) for one in found.layers),
        paired=tuple(replace(pair, metric=IN_WORDS) for pair in found.paired),
    )


def _in_words(group: Group) -> Group:
    rates = _rates(group)
    return Group(
        name=group.name,
        model=group.model,
        analysis_ids=group.analysis_ids,
        overall=_divided(group.overall, rates),
        layers=_divided(group.layers, rates[:, None]),
        clusters=group.clusters,
        documents=group.documents,
        skipped=group.skipped,
    )


def _rates(group: Group) -> Floats:
    """Tokens a word of each document (n,)."""
    return np.full(group.size, np.nan) if group.tokens_per_word is None else group.tokens_per_word


def _divided(values: Mapping[str, Array], rates: Floats) -> dict[str, Floats]:
    return {DISTANCE: np.asarray(values[DISTANCE], np.float64) / rates}


def _mean(values: Floats) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
