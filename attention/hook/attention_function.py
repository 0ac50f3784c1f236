"""The attention function that a network calls in the place of its own, under the name `CAPTURE`.

It is registered with transformers' own interface and receives the pass's `Collector` as an unknown keyword that the
network hands down: nothing global is switched, and two threads may run the same network.
"""

from typing import Any, Final

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

from attention.errors import FamilyNotProven
from attention.hook.collector import Collector
from attention.hook.masks import bias_in, mask_rule, without_groups
from attention.kernels import AttentionCall, RowRequest, attend

CAPTURE: Final = "hearken"
"""Name of the attention implementation to load a network with."""


def attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    collector: Collector | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The attention function itself: output (B, N, Hq, Dv); statistics go to the collector."""
    del dropout  # networks are measured in evaluation mode
    batch, _heads, tokens, width = query.shape
    if key.shape[2] != tokens:
        raise FamilyNotProven("the model attends to keys from outside the sequence, which is not measured")
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    if collector is None:  # outside a capture: the right output, nothing kept
        collector = Collector(without_groups(attention_mask, batch, tokens), RowRequest())
    bias = bias_in(attention_mask) if isinstance(attention_mask, Tensor) else None
    if position_bias is not None:
        bias = position_bias if bias is None else bias + position_bias
    call = AttentionCall(
        query,
        key,
        value,
        layout=collector.layout(attention_mask, causal),
        request=collector.request,
        scaling=width**-0.5 if scaling is None else scaling,
        softcap=softcap,
        sinks=s_aux,
        bias=bias,
    )
    rows = collector.rows_for(call)
    output = attend(call, rows)
    layer = getattr(module, "layer_idx", None)
    collector.take(layer if isinstance(layer, int) else None, call, rows)
    return output, None


AttentionInterface.register(CAPTURE, attention_forward)
AttentionMaskInterface.register(CAPTURE, mask_rule)
