"""Settings of a model's configuration that are not about its network, set to what measuring needs."""

from __future__ import annotations

from typing import Any, Final

PLAIN: Final = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_router_logits": False,
    "torchscript": False,
    "use_cache": False,
    "gradient_checkpointing": False,
}
"""How a network is to answer, whatever its configuration says of training and of generation."""


def repaired(config: Any) -> Any:
    """The configuration, changed in place: it answers plainly, and its padding lies within its vocabulary.

    Padding is this product's own business. An id of the padding that the embedding has no row for would fail there.
    """
    for name, value in PLAIN.items():
        if getattr(config, name, value) != value:
            setattr(config, name, value)
    padding = getattr(config, "pad_token_id", None)
    if isinstance(padding, int) and not 0 <= padding < config.vocab_size:
        config.pad_token_id = None
    return config
