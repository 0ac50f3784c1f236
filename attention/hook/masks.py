"""Masks as networks hand them over, read as the keys that each query may see."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.masking_utils import causal_mask_function

from attention.errors import FamilyNotProven
from attention.kernels import MaskRule, VisibleKeys, visibility


def mask_rule(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Any = causal_mask_function,
    attention_mask: Tensor | None = None,
    use_vmap: bool = False,
    device: torch.device | str = "cpu",
    **_: Any,
) -> MaskRule:
    """The mask of a pass, not yet evaluated; without a registered mask networks silently ignore padding and windows."""
    if q_length != kv_length or int(q_offset) or int(kv_offset):
        raise FamilyNotProven("the model attends to keys from outside the sequence, which is not measured")
    del batch_size
    return MaskRule(mask_function, attention_mask, use_vmap, torch.device(device))


def read_mask(mask: object, causal: bool, spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
    """What each query may see under a mask as the network gave it: a rule, a boolean or additive tensor, or nothing."""
    if isinstance(mask, MaskRule):
        return mask.visible_keys(spans)
    if isinstance(mask, Tensor):
        return visibility.from_mask(seen_in(mask), spans)
    return visibility.causal(spans) if causal else visibility.bidirectional(spans)


def seen_in(mask: Tensor) -> Tensor:
    """A mask tensor (B or 1, H or 1, N, N) as booleans that hold for every head."""
    seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    if seen.shape[1] > 1 and not bool((seen == seen[:, :1]).all()):
        raise FamilyNotProven("the model hides different keys from different heads, which is not measured")
    return seen[:, :1]


def bias_in(mask: Tensor) -> Tensor | None:
    """What an additive mask adds to the visible scores; None where that is nothing."""
    if mask.dtype == torch.bool:
        return None
    bias = torch.where(seen_in(mask), mask, 0.0)
    return bias if bool(bias.any()) else None


def spans_of(mask: object, batch: int, tokens: int) -> tuple[tuple[int, int], ...]:
    """Where each sequence's real tokens stand in its padded row, [start, stop), as far as the mask knows of padding."""
    padding = mask.padding if isinstance(mask, MaskRule) else None
    if padding is None:
        return ((0, tokens),) * batch
    real = padding.to(torch.int8)
    starts, counts = real.argmax(-1).tolist(), real.sum(-1).tolist()
    return tuple((start, start + count) for start, count in zip(starts, counts, strict=True))
