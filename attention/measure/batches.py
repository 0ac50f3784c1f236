"""Which documents share a forward pass: likes together, within a budget of padded tokens. Plain Python."""

from __future__ import annotations

from collections.abc import Sequence

CHARACTERS_PER_TOKEN = 3.0
"""English prose has 4 to 5 characters a token, code and mathematics about 3: an estimate that errs on the high side."""


def estimate_tokens(characters: int) -> int:
    """About how many tokens a text of so many characters has, before any tokenizer has seen it; at least 1."""
    return max(1, round(characters / CHARACTERS_PER_TOKEN))


PADDED_SHARE = 0.05
"""Of a pass's tokens, what may be padding."""
PASS_TOKENS = 40
"""A pass costs about as much as so many tokens beside those it has (33 to 43 were measured on a CPU, more on a GPU), so
that less padding than this is no reason for another pass."""


def passes(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Group rows into forward passes: lists of indices into `lengths`, longest rows first, each index once.

    Sorted by length, neighbours waste the least padding. A pass of b rows costs b times its longest row, padding
    included, and stays within `token_budget`; a row that is longer than the whole budget goes alone. A row whose
    padding would make a twentieth of the pass, and more than another pass costs, begins one. Equal lengths keep their
    order, so the grouping is reproducible.

    Raises ValueError for a length or a budget below 1.
    """
    if token_budget < 1:
        raise ValueError(f"the token budget is {token_budget}; it must be at least 1")
    if any(length < 1 for length in lengths):
        raise ValueError("every row has at least one token")
    grouped: list[list[int]] = []
    longest = padding = 0
    for index in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        size = (len(grouped[-1]) + 1) * longest if grouped else 0
        padding += longest - lengths[index]
        if grouped and size <= token_budget and padding <= max(PASS_TOKENS, PADDED_SHARE * size):
            grouped[-1].append(index)
        else:
            grouped.append([index])
            longest, padding = lengths[index], 0
    return grouped
