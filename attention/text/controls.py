"""Controls: documents with one property destroyed, to see whether an effect is still there without it.

Each depends on a seed and the document alone. A model that was never trained, reading the documents as they are, is the
fourth control; see `ModelSource.untrained_seed`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attention.errors import DocumentRefused
from attention.text.documents import Document, Rendered, Turn, Window


def shuffled_turns(document: Document, seed: int) -> Document:
    """The same turns in another order, each with its speaker.

    Raises DocumentRefused for a text, which has no turns.
    """
    turns = _turns(document)
    order = _chance(seed, turns).permutation(len(turns))
    return replace(document, turns=tuple(turns[place] for place in order))


def permuted_speakers(document: Document, seed: int) -> Document:
    """The same turns in the same order, with speakers reassigned at random: each speaks as many turns as before.

    Raises DocumentRefused for a text, which has no turns.
    """
    turns = _turns(document)
    order = _chance(seed, turns).permutation(len(turns))
    return replace(
        document,
        turns=tuple(replace(turn, speaker=turns[place].speaker) for place, turn in zip(order, turns, strict=True)),
    )


def shuffled_tokens(rendered: Rendered, seed: int) -> Rendered:
    """The same tokens in every window, those of the content in another order; scaffold and spans stay in place."""
    first = None if rendered.first is None else _shuffled(rendered.first, seed)
    return replace(rendered, windows=tuple(_shuffled(window, seed) for window in rendered.windows), first=first)


def _shuffled(window: Window, seed: int) -> Window:
    content = np.flatnonzero(~window.scaffold)
    chance = np.random.default_rng([seed, *hashlib.sha256(window.ids.tobytes()).digest()])
    ids: NDArray[np.int64] = window.ids.copy()
    ids[content] = window.ids[chance.permutation(content)]
    return replace(window, ids=ids)


def _turns(document: Document) -> Sequence[Turn]:
    if document.turns is None:
        raise DocumentRefused("a text has no turns, so this control does not apply to it")
    return document.turns


def _chance(seed: int, turns: Sequence[Turn]) -> np.random.Generator:
    told = "\0".join(part for turn in turns for part in (turn.speaker, turn.text))
    return np.random.default_rng([seed, *hashlib.sha256(told.encode(errors="surrogatepass")).digest()])
