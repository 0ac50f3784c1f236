"""What every kernel is given: one layer's attention over a batch, and what to keep of its rows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attention.kernels.layout import Layout
from attention.kernels.rows import EVERY_ROW, TURN_ROWS, LayersOfRows, RowRequest, RowStatistics


@dataclass(frozen=True, slots=True, eq=False)
class AttentionCall:
    """Attention of one layer over B padded sequences of at most N tokens.

    `query` (B, Hq, N, D), `key` (B, Hkv, N, D) and `value` (B, Hkv, N, Dv), with Hq a multiple of Hkv, as the network
    gives them: after its position embeddings, any float dtype. `layout` says what the sequences are and what their
    queries may see. A score is query · key times `scaling`, bounded by tanh to at most `softcap`, plus `bias` (B or 1,
    Hq or 1, N, N). `sinks` (Hq,) are the logits of a learned sink. Tensors are referred to, never copied.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    layout: Layout
    request: RowRequest
    scaling: float
    softcap: float | None = None
    sinks: Tensor | None = None
    bias: Tensor | None = None

    @property
    def is_ordinary(self) -> bool:
        """Whether the visible keys of every query are one run and scores have no bias: all that most kernels take."""
        return self.bias is None and not self.layout.has_holes

    @property
    def shape(self) -> tuple[int, int, int]:
        """B, Hq and N."""
        batch, heads, tokens, _ = self.query.shape
        return batch, heads, tokens

    def empty_output(self, *, filled: bool = True) -> Tensor:
        """Memory (B, N, Hq, Dv) in the dtype of the values for a kernel to fill; zeros unless it fills all of it."""
        batch, heads, tokens = self.shape
        size = (batch, tokens, heads, self.value.shape[-1])
        return self.value.new_zeros(size) if filled else self.value.new_empty(size)

    def empty_rows(self) -> RowStatistics:
        """The statistics of every row, all zero, for a kernel to fill."""
        return self.empty_layers(1).layer(0)

    def empty_layers(self, layers: int) -> LayersOfRows:
        """The same of several layers that have this call's shape."""
        return LayersOfRows.empty(
            layers,
            self.shape,
            self.request,
            flow_sizes=int(self.layout.groups.flow_offset[-1]),
            device=self.query.device,
        )

    def empty_exact_rows(self) -> RowStatistics:
        """The statistics of every row in float64 throughout, all zero, for the oracle to fill."""
        kinds = len(EVERY_ROW) + (len(TURN_ROWS) if self.request.turns else 0)
        depth = self.shape[1] if self.request.flow_heads else 1

        def zeros(*size: int) -> Tensor:
            return torch.zeros(size, dtype=torch.float64, device=self.query.device)

        return RowStatistics(
            values=zeros(kinds, *self.shape),
            by_distance=zeros(*self.shape) if self.request.turns else None,
            received=zeros(*self.shape) if self.request.received else None,
            flow=zeros(depth * int(self.layout.groups.flow_offset[-1])) if self.request.any_flow else None,
        )
