"""Windows side by side as one forward pass reads them, made by whole arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.kernels import BatchGroups
from attention.kernels.groups import NO_COLUMN, SCAFFOLD_COLUMN
from attention.text.documents import Window


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B windows padded on the right to N tokens, with the groups of their tokens.

    `ids` (B, N) are their tokens, 0 beyond the end, and `real` (B, N) says which are a window's. `own` (B, N) marks the
    tokens that are not special, whose states make the embedding. `turn_tokens` (S,) counts each turn's content.
    """

    ids: NDArray[np.int64]
    real: NDArray[np.bool_]
    own: NDArray[np.bool_]
    groups: BatchGroups
    turn_tokens: NDArray[np.int64]

    @classmethod
    def of(cls, windows: Sequence[Window], *, tokens: int = 0) -> "Batch":
        """Windows padded to the longest of them, or to `tokens` where that is more.

        The work grows with the tokens, but the number of calls does not grow with the windows or their turns.
        """
        ids = [window.ids for window in windows]
        length = np.fromiter(map(len, ids), np.int32, len(ids))
        sequences, tokens = len(ids), int(length.max(initial=tokens))
        real = np.arange(tokens, dtype=np.int32) < length[:, None]  # (B, N)
        place = np.flatnonzero(real)  # of every token among all padded ones, (M,)
        turn = np.concatenate([window.turn for window in windows])  # (M,)
        scaffold = np.concatenate([window.scaffold for window in windows])
        special = np.concatenate([window.special for window in windows])

        column = np.where(scaffold, SCAFFOLD_COLUMN, NO_COLUMN).astype(np.int32)
        said = np.flatnonzero(turn >= 0)  # among the M
        number, of_window = turn[said], place[said] // max(tokens, 1)
        met = np.zeros((sequences, int(number.max(initial=-1)) + 1), np.bool_)  # which window has which turns
        met[of_window, number] = True
        order = np.cumsum(met, 1, dtype=np.int32)  # a turn's place among its window's, from 1
        column[said] = order[of_window, number]
        counts = met.sum(1, dtype=np.int32)
        index = (np.cumsum(counts, dtype=np.int32) - counts)[of_window] + column[said] - 1  # among all turns
        turn_speaker = np.zeros(int(counts.sum()), np.int32)
        turn_speaker[index] = np.concatenate([window.speaker for window in windows])[said]

        def padded(values: NDArray[np.generic], fill: int, dtype: type[np.generic]) -> NDArray[np.generic]:
            rows = np.full(sequences * tokens, fill, dtype)
            rows[place] = values
            return rows.reshape(sequences, tokens)

        return cls(
            ids=padded(np.concatenate(ids), 0, np.int64),  # type: ignore[arg-type]
            real=real,
            own=padded(~special, 0, np.bool_),  # type: ignore[arg-type]
            groups=BatchGroups(
                start=np.zeros(sequences, np.int32),
                length=length,
                column=padded(column, NO_COLUMN, np.int32),  # type: ignore[arg-type]
                turn_counts=counts,
                turn_number=np.nonzero(met)[1].astype(np.int32),
                turn_speaker=turn_speaker,
            ),
            turn_tokens=np.bincount(index, minlength=len(turn_speaker)),
        )
