"""One layer's attention with its statistics over PyTorch's own attention and FlexAttention."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention.hook.batch import Batch
from attention.kernels import AttentionCall, Layout, RowRequest, attend
from attention.kernels.visibility import CAUSAL
from benchmarks.gpu.device import DTYPE, ON_GPU, TURN_TOKENS, Clock, heads, queued_seconds, window
from benchmarks.gpu.table import Table

REQUESTS = {
    "text": RowRequest(),
    "text and received": RowRequest(received=True),
    "turns": RowRequest(turns=True),
    "turns and flow": RowRequest(turns=True, flow=True),
    "everything": RowRequest(received=True, turns=True, flow=True, flow_heads=True),
}


def measure(table: Table, clock: Clock) -> None:
    count, shared, width = (32, 8, 128) if ON_GPU else (2, 1, 16)
    for tokens in (1024, 4096, 16384, 32768) if ON_GPU else (48,):
        case = f"{count} heads, {shared} shared, {width} wide, {tokens:,} tokens"
        if clock.is_over(0.75):
            table.add("operation", case, "not run: no time left")
            continue
        query, key, value = heads(1, count, shared, tokens, width, DTYPE)
        plain = queued_seconds(
            lambda q=query, k=key, v=value: torch.nn.functional.scaled_dot_product_attention(  # type: ignore[misc]
                q, k, v, is_causal=True, enable_gqa=True
            )
        )
        figures = [f"SDPA {plain * 1e3:.3f} ms"]
        flex = _flex(query, key, value) if tokens == 4096 or not ON_GPU else None
        if flex is not None:
            figures.append(f"FlexAttention x{queued_seconds(flex) / plain:.2f}")
        for name, request in REQUESTS.items():
            turns = max(4, tokens // TURN_TOKENS) if request.turns else 0
            layout = Layout(Batch.of([window(tokens, turns)]).groups, CAUSAL)
            call = AttentionCall(query, key, value, layout, request, scaling=width**-0.5)
            rows = call.empty_rows()
            took = queued_seconds(lambda call=call, rows=rows: attend(call, rows))  # type: ignore[misc]
            figures.append(f"{name} {took * 1e3:.2f} ms (x{took / plain:.2f})")
        table.add("operation", case, ", ".join(figures))


def _flex(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], object] | None:
    """Causal FlexAttention, compiled; None where it cannot be."""
    if not ON_GPU:
        return None
    try:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        tokens = query.shape[2]
        mask = create_block_mask(lambda _b, _h, i, j: j <= i, None, None, tokens, tokens, device=query.device.type)
        compiled = torch.compile(flex_attention)
        compiled(query, key, value, block_mask=mask, enable_gqa=True)
    except Exception as error:
        print(f"no FlexAttention: {error!r}"[:300])
        return None
    return lambda: compiled(query, key, value, block_mask=mask, enable_gqa=True)
