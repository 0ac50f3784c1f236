"""Attention with row statistics: one interface, several ways to the same numbers.

`dense` is the float64 oracle, `blocked` PyTorch for any device and mask, `compiled` a C sweep for the CPU. `attend`
chooses, and is the only place that does.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from attention.kernels import blocked, compiled
from attention.kernels.rows import KeyGroups, RowRequest, RowStatistics
from attention.kernels.sight import MaskRule, Sight

__all__ = ["KeyGroups", "MaskRule", "RowRequest", "RowStatistics", "Sight", "attend", "kernel_name"]


def kernel_name(device: torch.device) -> str:
    """The kernel that ordinary attention takes on a device, as the model's facts show it."""
    if device.type == "cpu":
        level = compiled.best_level()
        return "blocked" if level is None else f"compiled-{level}"
    return "blocked"


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    sights: Sequence[Sight],
    groups: Sequence[KeyGroups],
    request: RowRequest,
    scaling: float,
    softcap: float | None = None,
    sinks: Tensor | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, RowStatistics]:
    """Attention's output (B, N, Hq, Dv) and the statistics of every row, by the fastest kernel that can.

    Arguments as for `blocked.attend`, which also takes what no other kernel does: biases, and masks under which some
    query's keys are not one run.
    """
    runs_only = all(each.seen is None for each in sights)
    if query.device.type == "cpu" and runs_only and bias is None and compiled.best_level() is not None:
        return compiled.attend(
            query,
            key,
            value,
            sights=sights,
            groups=groups,
            request=request,
            scaling=scaling,
            softcap=softcap,
            sinks=sinks,
        )
    return blocked.attend(
        query,
        key,
        value,
        sights=sights,
        groups=groups,
        request=request,
        scaling=scaling,
        softcap=softcap,
        sinks=sinks,
        bias=bias,
    )
