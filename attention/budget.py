"""How many padded tokens one forward pass may have, from the memory that is free.

The estimate is of what a pass holds at its peak beside the weights. It errs on the high side: a smaller pass costs a
little speed, a pass too large costs all of it.
"""

from typing import Final

from attention.model import ModelFacts

SHARE: Final = 0.8
"""Of the free memory, what a pass may take."""
WIDTHS: Final = 16
"""Vectors of the hidden size that a layer keeps for a token: residual, normed, queries, keys, values, output, and an
inner layer of about four widths with its gate."""
ROW_BYTES: Final = 200
"""Bytes of one head's row: fourteen fp32 statistics, their float64 sums, and fixed-point sums by distance."""


def bytes_per_token(facts: ModelFacts) -> int:
    """About how many bytes one padded token takes at the peak of a captured pass.

    Statistics are fp32 and sums float64 whatever the dtype, and so are the copies of queries, keys and values that the
    CPU's kernel reads.
    """
    return facts.hidden_size * (WIDTHS * 4 + 3 * 4 + 8) + facts.heads * ROW_BYTES


def pass_tokens(facts: ModelFacts, free: int, most: int) -> int:
    """The token budget of a loaded model: at most `most`, what `free` bytes allow, and never less than one context.

    One whole context has to be tried in any case, since a window of the model's size cannot be measured in parts.
    """
    return max(min(most, int(free * SHARE) // bytes_per_token(facts)), min(most, facts.context))
