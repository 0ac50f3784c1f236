"""The passes of one attention call, one after the other."""

import torch
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.fused.columns import fill_received
from attention.kernels.fused.diagonals import add_by_distance
from attention.kernels.fused.output import output_and_lse
from attention.kernels.fused.row_pass import fill_rows
from attention.kernels.fused.tiles import WIDEST_SINGLE
from attention.kernels.rows import RowStatistics


def takes(call: AttentionCall) -> bool:
    """Whether a call is one for these kernels: ordinary, and in fp32 with heads that are not too wide."""
    width = max(call.query.shape[-1], call.value.shape[-1])
    return call.is_ordinary and (call.query.dtype != torch.float32 or width <= WIDEST_SINGLE)


def attend(call: AttentionCall, rows: RowStatistics) -> Tensor:
    """Attention's output (B, N, Hq, Dv) in the values' dtype; the statistics of every row go into `rows`.

    Raises ValueError for a call that is not one for these kernels.
    """
    if not takes(call):
        raise ValueError(
            "the fused attention takes only queries that see one run of keys, no bias, "
            f"and heads of at most {WIDEST_SINGLE} in fp32"
        )
    output, lse, unit = output_and_lse(call)
    fill_rows(call, lse, unit, rows)
    if rows.by_distance is not None and call.layout.groups.turns:
        add_by_distance(call, lse, unit, rows.by_distance)
    if rows.received is not None:
        fill_received(call, lse, unit, rows.received)
    return output
