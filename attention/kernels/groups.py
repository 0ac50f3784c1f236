"""The groups that tokens belong to: scaffold, the content of one turn, or neither; of one sequence, and of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

SCAFFOLD_COLUMN: Final = 0
NO_COLUMN: Final = -1

Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class KeyGroups:
    """The group of keys that each token of one sequence of n tokens belongs to.

    `column` (n,): 0 scaffold, 1 + t content of the sequence's t-th turn, -1 neither (the words of a plain text).
    `turn_number` (T,): the turns' places in the whole document. `turn_speaker` (T,): their speakers.
    """

    column: Integers
    turn_number: Integers
    turn_speaker: Integers

    @property
    def turns(self) -> int:
        return len(self.turn_number)

    @property
    def query_turn(self) -> Integers:
        """The turn each token is content of, counted in this sequence from 0; -1 for no turn. (n,)"""
        return np.where(self.column > SCAFFOLD_COLUMN, self.column - 1, NO_COLUMN).astype(np.int32)

    def runs(self) -> Integers:
        """Unbroken runs of keys of one group as rows (first key, one past the last key, column). (S, 3)"""
        edges = np.flatnonzero(np.diff(self.column)) + 1
        starts = np.concatenate([[0], edges]).astype(np.int32)
        stops = np.concatenate([edges, [len(self.column)]]).astype(np.int32)
        runs = np.stack([starts, stops, self.column[starts]], axis=1)
        return np.ascontiguousarray(runs[runs[:, 2] >= 0])


@dataclass(eq=False)
class BatchGroups:
    """The sequences of one pass and the groups of their tokens, as whole arrays over B sequences of at most N tokens.

    `start` (B,) is where a sequence's first real token stands in its padded row and `length` (B,) how many there are;
    `column` (B, N) is as in `KeyGroups`, at the sequence's own positions, and -1 beyond its end. The turns of all
    sequences stand one after the other, `turn_counts` (B,) of each, S in all: `turn_number` and `turn_speaker` (S,).
    """

    start: Integers
    length: Integers
    column: Integers
    turn_counts: Integers
    turn_number: Integers
    turn_speaker: Integers

    @classmethod
    def of(cls, spans: Sequence[tuple[int, int]], groups: Sequence[KeyGroups], tokens: int) -> "BatchGroups":
        """From each sequence's own; `spans` says where its real tokens stand in its padded row, [start, stop)."""
        column = np.full((len(spans), tokens), NO_COLUMN, np.int32)
        for row, group in zip(column, groups, strict=True):
            row[: len(group.column)] = group.column
        return cls(
            np.array([start for start, _ in spans], np.int32),
            np.array([stop - start for start, stop in spans], np.int32),
            column,
            np.array([group.turns for group in groups], np.int32),
            np.concatenate([group.turn_number for group in groups]).astype(np.int32),
            np.concatenate([group.turn_speaker for group in groups]).astype(np.int32),
        )

    @property
    def sequences(self) -> int:
        return len(self.length)

    @property
    def tokens(self) -> int:
        """N, padding included."""
        return int(self.column.shape[1])

    @cached_property
    def turns(self) -> int:
        """S: the turns of all sequences together."""
        return len(self.turn_number)

    @cached_property
    def turn_offset(self) -> Integers:
        """Where each sequence's turns begin among all, and one past the last. (B + 1,)"""
        return np.concatenate([[0], np.cumsum(self.turn_counts)]).astype(np.int32)

    @cached_property
    def query_turn(self) -> Integers:
        """The turn each token is content of, counted in its sequence from 0; -1 for no turn. (B, N)"""
        return np.where(self.column > SCAFFOLD_COLUMN, self.column - 1, NO_COLUMN).astype(np.int32)

    @cached_property
    def runs(self) -> Integers:
        """Unbroken runs of keys of one group as rows (sequence, first key, one past the last key, column). (R, 4)"""
        edge = np.ones((self.sequences, self.tokens + 1), np.bool_)
        edge[:, 1:-1] = self.column[:, 1:] != self.column[:, :-1]
        sequence, place = np.nonzero(edge)
        held = place < self.tokens  # the last edge of each sequence ends its last run
        begin, stop, sequence = place[held], place[np.flatnonzero(held) + 1], sequence[held]
        runs = np.stack([sequence, begin, stop, self.column[sequence, begin]], 1).astype(np.int32)
        return runs[runs[:, 3] >= 0]

    @cached_property
    def turn_rows(self) -> Integers:
        """Each turn's rows (sequence, turn, first row of its content, one past the last): (S, 4), 0 and 0 for none."""
        sequence = np.repeat(np.arange(self.sequences, dtype=np.int32), self.turn_counts)
        content = self.runs[self.runs[:, 3] > SCAFFOLD_COLUMN]
        turn = self.turn_offset[content[:, 0]] + content[:, 3] - 1
        first, last = np.full(self.turns, self.tokens, np.int32), np.zeros(self.turns, np.int32)
        np.minimum.at(first, turn, content[:, 1])
        np.maximum.at(last, turn, content[:, 2])
        own = np.arange(self.turns, dtype=np.int32) - self.turn_offset[sequence]
        return np.stack([sequence, own, np.minimum(first, last), last], 1).astype(np.int32)

    @cached_property
    def flow_offset(self) -> NDArray[np.int64]:
        """Where each sequence's T (T + 1) entries of flow begin among all, and one past the last. (B + 1,)"""
        counts = self.turn_counts.astype(np.int64)
        return np.concatenate([[0], np.cumsum(counts * (counts + 1))])

    @cached_property
    def each(self) -> tuple[KeyGroups, ...]:
        """Each sequence's own groups, for what takes one sequence after the other."""
        return tuple(
            KeyGroups(self.column[row, : self.length[row]], self.turn_number[low:high], self.turn_speaker[low:high])
            for row, (low, high) in enumerate(zip(self.turn_offset[:-1], self.turn_offset[1:], strict=True))
        )
