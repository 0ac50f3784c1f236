"""Masks as networks hand them over, read as the keys that each query may see."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.masking_utils import causal_mask_function

from attention.errors import FamilyNotProven
from attention.kernels import BatchGroups, MaskRule, Reach, VisibleKeys, visibility
from attention.kernels.groups import NO_COLUMN


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


def read_mask(mask: object, causal: bool, groups: BatchGroups) -> Reach | tuple[VisibleKeys, ...]:
    """What each query may see under a mask as the network gave it: a rule, a boolean or additive tensor, or nothing."""
    if mask is None:
        return visibility.CAUSAL if causal else visibility.BIDIRECTIONAL
    spans = list(zip(groups.start.tolist(), (groups.start + groups.length).tolist(), strict=True))
    if isinstance(mask, MaskRule):
        return mask.read(spans)
    if isinstance(mask, Tensor):
        return visibility.from_mask(seen_in(mask), spans)
    raise FamilyNotProven(f"the model's mask is a {type(mask).__name__}, which is not measured")


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


def without_groups(mask: object, batch: int, tokens: int) -> BatchGroups:
    """Sequences of no groups, where the mask says that their real tokens stand, as far as it knows of padding."""
    start, length = np.zeros(batch, np.int32), np.full(batch, tokens, np.int32)
    padding = mask.padding if isinstance(mask, MaskRule) else None
    if padding is not None:
        real = padding.to(torch.int8).cpu().numpy()
        start, length = real.argmax(-1).astype(np.int32), real.sum(-1, dtype=np.int32)
    nothing = np.zeros(0, np.int32)
    column = np.full((batch, tokens), NO_COLUMN, np.int32)
    return BatchGroups(start, length, column, np.zeros(batch, np.int32), nothing, nothing)
