"""Which windows share a forward pass: those of similar length, within a budget of padded tokens. Plain Python."""

from __future__ import annotations

from collections.abc import Sequence

CHARACTERS_PER_TOKEN = 3.0
"""English prose has 4 to 5 characters a token, code and mathematics about 3: the estimate is rather too high."""


def estimate_tokens(characters: int) -> int:
    """About how many tokens a text of that many characters has, without running a tokenizer; at least 1."""
    return max(1, round(characters / CHARACTERS_PER_TOKEN))


PADDED_SHARE = 0.05
"""Share of a pass's tokens that may be padding."""
PASS_TOKENS = 40
"""Fixed cost of a pass, in tokens (33 to 43 were measured on a CPU, more on a GPU): less padding than this is no reason
for another pass."""


def passes(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Group rows into forward passes: lists of indices into `lengths`, longest rows first, each index once.

    Sorted by length, neighbours waste the least padding. A pass of b rows costs b times its longest row, padding
    included, and stays within `token_budget`; a row that is longer than the whole budget has a pass of its own. A row
    begins a new pass where padding would be over a twentieth of this one and cost more than another. Equal lengths
    keep their order, so the grouping is reproducible.

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
