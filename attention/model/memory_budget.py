"""How many padded tokens one forward pass may have, from the memory that is free.

The estimate is of what a pass holds at its peak in addition to the weights. It errs on the high side: a smaller pass
costs a little speed, a pass too large fails. A budget that proves too large on a GPU is halved by the worker that runs
out of memory.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch

from attention.model.model import Model, ModelFacts

SHARE: Final = 0.8
"""Of the free memory, what a pass may take."""
ROW_BYTES: Final = 200
"""Bytes of one head's row in one layer: fourteen fp32 statistics, fixed-point sums by distance and by key, running sums
by distance in float64 both ways, and what the kernel copies. A GPU keeps more than one layer's, and is measured."""
TOKEN_BYTES: Final = 512
"""Bytes of a token whatever the model: its ids, groups and mask, and its expectations under uniform attention."""
TURN_TOKENS: Final = 16
"""A turn has about this many tokens or more: the flow of N tokens has at most (N / 16)² numbers a layer."""
SCORE_ROWS: Final = 48
"""Queries whose fp32 scores each thread of the compiled kernel keeps for all keys of a sequence."""
BLOCK_BYTES: Final = 2**27
"""Scores and weights of one block, in the kernels that work in blocks."""


def bytes_per_token(model: Model) -> int:
    """About how many bytes one padded token takes at the peak of a captured pass, from the network's widths.

    A layer's residuals are there all the time; in addition either its attention, with the statistics of every row in
    fp32 and float64 whatever the dtype, or its feed-forward part. The last hidden states are summed in float64.
    """
    network: Any = model.network
    facts, config = model.facts, network.config.to_dict()
    number = 4 if facts.dtype == "float32" else 2
    residual = facts.hidden_size * (4 * number + 4 + 3 * 8)
    query, shared = facts.heads * facts.head_size, facts.key_value_heads * facts.head_size
    projected = 4 * (query + shared) * number  # as projected, rotated, and in between
    copied = (2 * query + 2 * shared) * 4  # queries, keys, values and output as the kernel takes and gives them
    attention = projected + copied + facts.heads * ROW_BYTES
    inner = 5 * inner_width(facts, config) * number  # gate, up, their product, and what the activation makes between
    flow = facts.layers * 4 * facts.context // TURN_TOKENS**2
    return residual + max(attention, inner) + flow + TOKEN_BYTES


def inner_width(facts: ModelFacts, config: Mapping[str, Any]) -> int:
    """Width between the two projections of a layer's feed-forward part; all of a token's experts together."""
    stated = (_largest(config, name) for name in ("intermediate_size", "ffn_dim", "n_inner"))
    dense = max(stated) or 4 * facts.hidden_size
    experts = _largest(config, "num_experts_per_tok")
    expert = _largest(config, "moe_intermediate_size") or dense
    return dense + experts * (expert + facts.hidden_size)


def _largest(config: Mapping[str, Any], name: str) -> int:
    """The largest value that a setting has in any layer, 0 where it has none."""
    by_layer = (settings.get(name) for settings in (config.get("per_layer_config") or {}).values())
    found = []
    for value in (config.get(name), *by_layer):
        found += value if isinstance(value, list) else [value]
    return max((value for value in found if isinstance(value, int)), default=0)


def scratch_bytes(facts: ModelFacts) -> int:
    """Bytes that a pass takes however few sequences it has: the kernel's workspace over one context."""
    if facts.kernel.startswith("compiled"):
        return torch.get_num_threads() * SCORE_ROWS * 4 * facts.context
    return BLOCK_BYTES


def pass_tokens(model: Model, free: int, most: int, *, each: int | None = None) -> int:
    """The token budget of a loaded model: at most `most`, what `free` bytes allow, and never less than one context.

    `each` is the bytes of a token where they were measured; else they are estimated. One whole context has to be tried
    in any case, since a window of the model's size cannot be measured in parts.
    """
    fits = (int(free * SHARE) - scratch_bytes(model.facts)) // max(1, each or bytes_per_token(model))
    return max(min(most, fits), min(most, model.facts.context))
