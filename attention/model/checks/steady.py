"""Up to how many tokens a model's numbers are those of the document alone, by its configuration.

Some behaviour begins only beyond a length: rotary embeddings that rescale once a row of the batch is long, attention to
the few keys that an indexer picks. Below that length such a model is like any other; beyond it a document's numbers
would depend on its neighbours, or on rounding. The check at loading, which reads short texts, could not see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

STEADY_ROTATIONS: Final = frozenset({"default", "linear", "llama3", "proportional", "yarn"})
"""Rotary embeddings that depend only on a token's position."""

RESCALING_ROTATIONS: Final = frozenset({"dynamic", "longrope", "su"})
"""Rotary embeddings that change with the longest row of the batch, once it passes the length of the training."""

ORIGINAL: Final = "original_max_position_embeddings"
POSITIONS: Final = "max_position_embeddings"

PICKED_KEYS: Final = ("index_topk",)
"""How many keys an indexer picks for each query. Which they are depends on rounding where two score alike."""


@dataclass(frozen=True, slots=True)
class Steady:
    """A length in tokens up to which a model is steady, 0 for none, and what begins beyond it."""

    tokens: int
    beyond: str


def steady_length(config: Mapping[str, Any]) -> Steady | None:
    """The length up to which a configuration is steady; None where it is at every length."""
    limits = [
        Steady(config[name], f"it picks {config[name]} keys for each query ({name})")
        for name in PICKED_KEYS
        if isinstance(config.get(name), int)
    ]
    for rotary in _rotary_settings(config):
        kind = rotary.get("rope_type") or rotary.get("type") or "default"
        if kind in STEADY_ROTATIONS:
            continue
        tokens = rotary.get(ORIGINAL) or config.get(ORIGINAL)
        if tokens is None and kind == "dynamic":
            tokens = config.get(POSITIONS)
        known = kind in RESCALING_ROTATIONS and isinstance(tokens, int)
        limits.append(
            Steady(
                int(tokens) if known and tokens is not None else 0,
                f"it rescales its positions by the longest text of the batch (rotary type {kind})",
            )
        )
    return min(limits, key=lambda limit: limit.tokens, default=None)


def _rotary_settings(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every set of rotary settings of a configuration: one, or one for each type of layer."""
    for name in ("rope_parameters", "rope_scaling"):
        given = config.get(name)
        if isinstance(given, Mapping):
            by_layer = [value for value in given.values() if isinstance(value, Mapping)]
            yield from by_layer or [given]
        elif given is not None:
            yield {"rope_type": f"of a form that is not known: {given}"}
