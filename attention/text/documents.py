"""The types of what a model reads: a `Document` is the input, a `Window` one row of a forward pass.

A `Rendered` is all windows of one document. Every token of a window is either the content of exactly one turn or
scaffold (speaker labels, separators, special tokens).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Overflow = Literal["window", "truncate", "reject"]
Labels = Literal["keep", "drop"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said before another began, or before they went on in a new turn.

    Of a chat message `message` has what it has beside its role and its words, such as `tool_calls`, for the chat
    template; such a turn may be without words, its `text` empty, and then has no tokens of its own.
    """

    speaker: str
    text: str
    message: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One input: either a plain `text`, or `turns`.

    With `messages` the turns' speakers are chat roles (`user`, `assistant`, ...), and a model that has a chat template
    reads them through it.
    """

    text: str | None = None
    turns: tuple[Turn, ...] | None = None
    messages: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The tokens of one forward-pass row, special tokens included; N of them.

    A token with `turn` -1 in a conversation is scaffold. In a plain text every `turn` and `speaker` is -1 and only the
    special tokens are scaffold.
    """

    ids: NDArray[np.int64]  # (N,) token ids as the model reads them
    turn: NDArray[np.int32]  # (N,) index of the turn in the whole document, -1 where the token is no turn's content
    speaker: NDArray[np.int32]  # (N,) index into `Rendered.speakers`, -1 likewise
    scaffold: NDArray[np.bool_]  # (N,) special tokens and template text
    special: NDArray[np.bool_]  # (N,) special tokens only

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """One document as a model reads it. `tokens` is the number of tokens read: the sum over `windows`.

    `first` is the window at the document's beginning where that is to be measured by itself, beside `windows` that are
    spread over the document; none of the document's own numbers come from it.
    """

    windows: tuple[Window, ...]
    turns: int | None  # None for a plain text
    speakers: tuple[str, ...]  # in order of first appearance
    tokens: int
    truncated: bool
    first: Window | None = None

    @property
    def all_windows(self) -> tuple[Window, ...]:
        """Every window that a model reads: `windows`, and then `first` where there is one."""
        return self.windows if self.first is None else (*self.windows, self.first)

    def digest(self) -> bytes:
        """SHA-256 over every window's ids and spans: equal digests mean that a model reads the same thing."""
        digest = hashlib.sha256()
        digest.update(f"{self.turns} {len(self.speakers)} {self.truncated} {len(self.windows)}".encode())
        for window in self.all_windows:
            digest.update(f" {len(window)} ".encode())
            for values, kind in (
                (window.ids, "<i8"),
                (window.turn, "<i4"),
                (window.speaker, "<i4"),
                (window.scaffold, "?"),
                (window.special, "?"),
            ):
                digest.update(np.ascontiguousarray(values, dtype=kind).tobytes())
        return digest.digest()
