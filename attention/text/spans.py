"""Windows by characters: the same stretch of a document under every tokenizer.

Token counts differ between models, so two models read the same text only where windows are chosen by characters.
The choice depends on the document's own script, the seed and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from attention.errors import TooShort

Span = tuple[int, int]

REACH: Final = 64
"""A window's ends move inwards by at most this many characters to the edge of a word."""


def sample_spans(text: str, *, characters: int, count: int, seed: int) -> list[Span]:
    """`count` spans of at most `characters` characters, spread over a text: [start, end) each, in order.

    The text is divided into `count` equal stretches with one span at a random place in each; a text with room for fewer
    has fewer. Each span begins and ends with a whole word where white space is near.

    Raises TooShort where not one span can be filled.
    """
    if len(text) < characters:
        raise TooShort(f"the document has {len(text)} characters, fewer than the {characters} of a window")
    count = min(count, len(text) // characters)
    chance = np.random.default_rng([seed, *hashlib.sha256(text.encode()).digest()])
    borders = [stretch * len(text) // count for stretch in range(count + 1)]
    places = [int(chance.integers(low, high - characters, endpoint=True)) for low, high in pairwise(borders)]
    return [_whole_words(text, place, place + characters) for place in places]


def first_span(text: str, *, characters: int) -> Span:
    """The span of at most so many characters at the beginning of a text that has them, also in whole words."""
    return _whole_words(text, 0, characters)


def count_words(text: str, spans: Sequence[Span]) -> int:
    """Words in the spans: runs of characters without white space between them."""
    return sum(len(text[start:end].split()) for start, end in spans)


def _whole_words(text: str, start: int, end: int) -> Span:
    first, last = start, end
    while first < start + REACH and first < end and not _begins_word(text, first):
        first += 1
    while last > end - REACH and last > start and not _ends_word(text, last):
        last -= 1
    first = first if first < end and _begins_word(text, first) else start
    last = last if last > start and _ends_word(text, last) else end
    return (first, last) if first < last else (start, end)


def _begins_word(text: str, place: int) -> bool:
    return not text[place].isspace() and (place == 0 or text[place - 1].isspace())


def _ends_word(text: str, place: int) -> bool:
    return not text[place - 1].isspace() and (place == len(text) or text[place].isspace())
