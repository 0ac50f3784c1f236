"""A GGUF file's vocabulary: words, marks and merges, checked before a library sees them.

The library that reads merges ends the process on some that are damaged, so each is known to fit the words first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tokenizers import pre_tokenizers

from attention.errors import IncompleteModel
from attention.model.gguf.header import MERGES, TOKENS, GgufHeader

SETTING: Final = "tokenizer.ggml."
CONTROL, USER_DEFINED = 3, 4
"""Types of words: marks that have no text of their own, and words that are read whole wherever they stand."""

NAMED: Final = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}
"""Marks that have a name in transformers, and what the format calls their numbers."""

ALPHABET: Final = frozenset(pre_tokenizers.ByteLevel.alphabet())
"""The 256 characters by which a byte-level vocabulary writes bytes."""


@dataclass(frozen=True)
class Vocabulary:
    """The words of a model named `model` in messages, in order of their numbers, with what else its file says."""

    model: str
    header: GgufHeader

    def stated(self, setting: str) -> Any:
        """What the file says of its tokenizer; None where it says nothing."""
        return self.header.settings.get(SETTING + setting)

    def flag(self, setting: str, *, usual: bool) -> bool:
        """A setting that is true or false. Raises IncompleteModel for another value."""
        value = self.stated(setting)
        if value is not None and not isinstance(value, bool):
            raise self._damaged(f"has {value} as {setting}")
        return usual if value is None else value

    @cached_property
    def types(self) -> list[int]:
        """One for each word; empty where the file has none."""
        return self._numbers("token_type")

    @cached_property
    def scores(self) -> list[float]:
        """One for each word; empty where the file has none."""
        return self._numbers("scores")

    def _numbers(self, setting: str) -> list[Any]:
        found, words = self.stated(setting), self.header.settings[TOKENS]
        if found is None:
            return []
        if not isinstance(found, list) or len(found) != len(words):
            raise self._damaged(f"has not as many {setting} as its {len(words):,} tokens")
        return found

    @cached_property
    def words(self) -> list[str]:
        """All different: those without letters have their numbers for a name."""
        found = [word or f"[EMPTY_{number}]" for number, word in enumerate(self.header.settings[TOKENS])]
        if len(set(found)) != len(found):
            seen: set[str] = set()
            twice = next(word for word in found if word in seen or seen.add(word))  # type: ignore[func-returns-value]
            raise self._damaged(f"has the token {twice!r} twice")
        return found

    @cached_property
    def byte_level(self) -> dict[str, int]:
        """Numbers by word, each as a byte-level vocabulary spells it; marks as they are."""
        types = self.types or [0] * len(self.words)
        spelled = {}
        for number, (word, kind) in enumerate(zip(self.words, types, strict=True)):
            marked = kind in (CONTROL, USER_DEFINED) or ALPHABET.issuperset(word)
            spelled[word if marked else _in_bytes(word)] = number
        if len(spelled) != len(self.words):
            raise self._damaged("has a token twice, once in letters and once in bytes")
        return spelled

    def merges(self, numbers: dict[str, int]) -> list[tuple[str, str]] | None:
        """Pairs of words in the order in which they are merged, each making a word; None where the file has none."""
        stated = self.header.settings.get(MERGES)
        if stated is None:
            return None
        if not isinstance(stated, list):
            raise self._damaged("has no list as its merges")
        found = []
        for merge in stated:
            left, _, right = merge.partition(" ")
            if left not in numbers or right not in numbers or left + right not in numbers:
                raise self._damaged(f"has the merge {merge!r:.80}, which does not make one token of two")
            found.append((left, right))
        return found

    def of_type(self, kind: int) -> list[str]:
        """The words of a type."""
        return [word for word, each in zip(self.words, self.types, strict=False) if each == kind]

    @cached_property
    def named(self) -> dict[str, str | None]:
        """Words by their names in transformers, None where the file names none."""
        return {name: self._word(setting) for name, setting in NAMED.items()}

    def _word(self, setting: str) -> str | None:
        number = self.stated(setting)
        if number is None:
            return None
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self.words):
            raise self._damaged(f"has {number} as {setting}, and {len(self.words):,} tokens")
        return self.words[number]

    def _damaged(self, what: str) -> IncompleteModel:
        return IncompleteModel(
            f"the tokenizer of {self.model} cannot be read: its GGUF file {what}; fetch it again, or convert the model "
            "again"
        )


def _in_bytes(word: str) -> str:
    (piece,) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(word)
    return str(piece[0])
