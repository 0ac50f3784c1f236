"""What every kernel is given: one layer's attention over a batch, and what to keep of its rows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attention.kernels.rows import KeyGroups, RowRequest, RowStatistics
from attention.kernels.visibility import VisibleKeys


@dataclass(frozen=True, slots=True, eq=False)
class AttentionCall:
    """Attention of one layer over B padded sequences of at most N tokens.

    `query` (B, Hq, N, D), `key` (B, Hkv, N, D) and `value` (B, Hkv, N, Dv), with Hq a multiple of Hkv, as the network
    gives them: after its position embeddings, any float dtype. `visible_keys` and `groups` have one entry for each
    sequence. A score is query · key times `scaling`, bounded by tanh to at most `softcap`, plus `bias` (B or 1, Hq or
    1, N, N). `sinks` (Hq,) are the logits of a learned sink. Tensors are referred to, never copied.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    visible_keys: tuple[VisibleKeys, ...]
    groups: tuple[KeyGroups, ...]
    request: RowRequest
    scaling: float
    softcap: float | None = None
    sinks: Tensor | None = None
    bias: Tensor | None = None

    @property
    def is_ordinary(self) -> bool:
        """Whether the visible keys of every query are one run and scores have no bias: all that most kernels take."""
        return self.bias is None and all(each.seen is None for each in self.visible_keys)

    def empty_output(self) -> Tensor:
        """Zeros (B, N, Hq, Dv) in the dtype of the values, for a kernel to fill."""
        batch, heads, tokens, _ = self.query.shape
        return self.value.new_zeros(batch, tokens, heads, self.value.shape[-1])

    def empty_rows(self, dtype: torch.dtype = torch.float32) -> RowStatistics:
        """The statistics of every row, all zero, for a kernel to fill."""
        _, heads, tokens, _ = self.query.shape
        device = self.query.device
        return RowStatistics.empty(heads, tokens, self.groups, self.request, device=device, dtype=dtype)
