"""From documents to windows: how a model's tokens map back to what a person said, and where a document is cut."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from attention.errors import EmptyDocument, TooLong, TooShort
from attention.text.documents import Document, Labels, Overflow, Rendered, Window
from attention.text.script import Script, openings_of_tokens, read_script, turns_of_tokens, write_script
from attention.text.spans import Span, first_span, sample_spans
from attention.text.tokens import FastTokenizer, TokenReader, Tokens, token_reader


def render(
    tokenizer: FastTokenizer,
    document: Document,
    *,
    context: int,
    overflow: Overflow = "window",
    labels: Labels = "keep",
) -> Rendered:
    """A document as windows of at most `context` tokens, special tokens included.

    Turns are written `Speaker: text` and a newline each (`labels` "drop" leaves the speaker out), messages through the
    model's chat template where it has one. A document longer than the context is by `overflow` cut into windows, at
    turn ends where a turn fits into one; cut off after the first window, which `truncated` then says; or refused.

    Raises EmptyDocument, EmptyTurn, BadSpeaker, UnreadableText, TooLong, ChatTemplateRefused or SpansUnclear.
    """
    tokenized = _TokenizedDocument(tokenizer, document, labels)
    room = tokenized.room(context)
    length = len(tokenized.tokens)
    if length <= room:
        cuts = [0, length]
    elif overflow == "reject":
        raise TooLong(
            f"the document has {length + tokenized.around} tokens, the model reads {context} at once; "
            "shorten it, or send it with overflow `window`",
            tokens=length + tokenized.around,
            limit=context,
        )
    elif overflow == "truncate":
        cuts = [0, _whole_characters(tokenized.tokens, 0, room)]
    else:
        cuts = _cuts(tokenized.tokens, openings_of_tokens(tokenized.tokens, tokenized.script), room)
    return tokenized.windows(list(pairwise(cuts)))


def sample_windows(
    tokenizer: FastTokenizer,
    document: Document,
    *,
    window_tokens: int,
    count: int,
    seed: int,
    first_window: bool = False,
    labels: Labels = "keep",
) -> Rendered:
    """`count` windows of exactly `window_tokens` tokens, spread over a document without regard to turn borders.

    The document is divided into `count` equal stretches and one window stands at a random place in each, so windows
    never overlap; a document with room for fewer has fewer. The places depend on `seed` and the document alone.
    `truncated` says whether some of the document was left out of them. With `first_window` the document's first
    `window_tokens` tokens are a window beside these, whatever places were drawn.

    Raises TooShort where not one window can be filled, and what `render` raises for a document it cannot read.
    """
    if count < 1:
        raise ValueError(f"{count} windows were asked for; it must be at least 1")
    tokenized = _TokenizedDocument(tokenizer, document, labels)
    room = tokenized.room(window_tokens)
    length = len(tokenized.tokens)
    if length < room:
        raise TooShort(
            f"the document has {length + tokenized.around} tokens, fewer than the {window_tokens} of a window",
        )
    count = min(count, length // room)
    chance = np.random.default_rng([seed, *hashlib.sha256(tokenized.tokens.ids.tobytes()).digest()])
    borders = [stretch * length // count for stretch in range(count + 1)]
    places = [int(chance.integers(low, high - room, endpoint=True)) for low, high in pairwise(borders)]
    return tokenized.windows([(place, place + room) for place in places], (0, room) if first_window else None)


def sample_characters(
    tokenizer: FastTokenizer,
    document: Document,
    *,
    window_characters: int,
    count: int,
    seed: int,
    context: int,
    first_window: bool = False,
    labels: Labels = "keep",
) -> Rendered:
    """Windows over the spans that `sample_spans` chooses: the same characters under every tokenizer.

    Turns are written as lines under every model, messages too. A token that lies across a span's edge is read whole.
    With `first_window` the span at the document's beginning is a window beside these; a document whose first span has
    no token, or more than the model reads at once, has none.

    Raises TooShort where not one span can be filled, TooLong where a span has more tokens than the model reads at
    once, and what `render` raises for a document it cannot read.
    """
    tokenized = _TokenizedDocument(tokenizer, replace(document, messages=False), labels)
    spans = sample_spans(tokenized.script.text, characters=window_characters, count=count, seed=seed)
    parts = [_tokens_of_span(tokenized.tokens, span) for span in spans]
    longest = max(stop - start for start, stop in parts) + tokenized.around
    if longest > context:
        raise TooLong(
            f"a window of {window_characters} characters has {longest} tokens here, and the model reads {context} at "
            "once; ask for smaller windows",
            tokens=longest,
            limit=context,
        )
    first = _first_part(tokenized, window_characters, context) if first_window else None
    return tokenized.windows(parts, first)


def _first_part(tokenized: _TokenizedDocument, characters: int, context: int) -> tuple[int, int] | None:
    """The run of tokens of the first span: None where it has no token or more than `context`."""
    try:
        start, stop = _tokens_of_span(tokenized.tokens, first_span(tokenized.script.text, characters=characters))
    except EmptyDocument:
        return None
    return (start, stop) if stop - start + tokenized.around <= context else None


def _tokens_of_span(tokens: Tokens, span: Span) -> tuple[int, int]:
    """The run of tokens that share a character with a span."""
    start, end = span
    first = int(np.argmax(tokens.end > start))
    last = int(np.searchsorted(tokens.start, end, side="left"))
    if first >= last or tokens.end[first] <= start:
        raise EmptyDocument("the model's tokenizer reads no token in a window of this document")
    return first, last


class _TokenizedDocument:
    """A whole document's tokens with their turns, before it is cut into windows."""

    def __init__(self, tokenizer: FastTokenizer, document: Document, labels: Labels) -> None:
        self.reader: TokenReader = token_reader(tokenizer)
        self.script: Script = write_script(document, tokenizer, labels)
        tokens = read_script(self.reader, self.script)
        self.prefix, self.suffix = self.reader.prefix, self.reader.suffix
        if self.script.control:  # the template itself says which special tokens open and close the sequence
            if len(tokens) < len(self.prefix) or not np.array_equal(tokens.ids[: len(self.prefix)], self.prefix):
                self.prefix = self.prefix[:0]
            tokens = tokens[len(self.prefix) :]
            kept = len(tokens) - len(self.suffix)
            if kept < 0 or not np.array_equal(tokens.ids[kept:], self.suffix):
                self.suffix = self.suffix[:0]
            tokens = tokens[: len(tokens) - len(self.suffix)]
        self.tokens: Tokens = tokens
        self.turn = turns_of_tokens(tokens, self.script)  # (n,)
        if not len(tokens) or (document.turns is not None and not (self.turn >= 0).any()):
            raise EmptyDocument("the model's tokenizer reads no token in this document; send words it can read")
        self.turns = None if document.turns is None else len(document.turns)
        speakers = [turn.speaker for turn in document.turns or ()]
        self.speakers = tuple(dict.fromkeys(speakers))
        order = {speaker: index for index, speaker in enumerate(self.speakers)}
        # One more at the end, so that turn -1 has speaker -1.
        self.speaker_of_turn = np.array([*(order[speaker] for speaker in speakers), -1], dtype=np.int32)  # (T + 1,)

    @property
    def around(self) -> int:
        return len(self.prefix) + len(self.suffix)

    def room(self, window: int) -> int:
        """How many of the document's own tokens fit into a window."""
        if window <= self.around:
            raise ValueError(f"a window of {window} tokens has no room beside {self.around} special tokens")
        return window - self.around

    def windows(self, parts: Sequence[tuple[int, int]], first: tuple[int, int] | None = None) -> Rendered:
        windows = tuple(self._window(slice(*part)) for part in parts)
        covered = sum(stop - start for start, stop in parts)
        return Rendered(
            windows=windows,
            turns=self.turns,
            speakers=self.speakers,
            tokens=sum(len(window) for window in windows),
            truncated=covered < len(self.tokens),
            first=None if first is None else self._window(slice(*first)),
        )

    def _window(self, part: slice) -> Window:
        before, after = len(self.prefix), len(self.suffix)
        turn = np.pad(self.turn[part], (before, after), constant_values=-1)  # (N,)
        special = np.pad(self.tokens.special[part], (before, after), constant_values=True)  # (N,)
        return Window(
            ids=np.concatenate([self.prefix, self.tokens.ids[part], self.suffix]),
            turn=turn,
            speaker=self.speaker_of_turn[turn],
            scaffold=special if self.turns is None else turn < 0,
            special=special,
        )


def _cuts(tokens: Tokens, openings: NDArray[np.int64], room: int) -> list[int]:
    """Where tokens are cut into parts of at most `room`, both ends included: at a turn's end, or else at `room`."""
    cuts = [0]
    while len(tokens) - cuts[-1] > room:
        limit = cuts[-1] + room
        nearest = int(np.searchsorted(openings, limit, side="right")) - 1
        if nearest >= 0 and openings[nearest] > cuts[-1]:
            cuts.append(int(openings[nearest]))
        else:
            cuts.append(_whole_characters(tokens, cuts[-1], limit))
    return [*cuts, len(tokens)]


def _whole_characters(tokens: Tokens, start: int, cut: int) -> int:
    """The last place up to `cut` that separates no tokens of one character, or `cut` itself if there is none."""
    place = cut
    while place > start and tokens.start[place] < tokens.end[place - 1]:
        place -= 1
    return place if place > start else cut
