"""Attention with row statistics: one interface, several kernels, the same numbers.

`dense` is the float64 oracle, `blocked` PyTorch for any device and mask, `compiled` a C sweep for the CPU, `fused` a
Triton kernel for CUDA. `attend` chooses, and is the only place that does.
"""

import logging
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from attention.kernels import blocked, compiled
from attention.kernels.call import AttentionCall
from attention.kernels.groups import BatchGroups, KeyGroups
from attention.kernels.layout import Layout
from attention.kernels.rows import LayersOfRows, RowRequest, RowStatistics
from attention.kernels.visibility import MaskRule, Reach, VisibleKeys

__all__ = [
    "AttentionCall",
    "BatchGroups",
    "KeyGroups",
    "LayersOfRows",
    "Layout",
    "MaskRule",
    "Reach",
    "RowRequest",
    "RowStatistics",
    "VisibleKeys",
    "attend",
    "kernel_name",
]


logger = logging.getLogger(__name__)


@cache
def _fused() -> ModuleType | None:
    """The Triton kernel; None, said once in the log, where Triton is not installed."""
    try:
        from attention.kernels.fused import attend as fused
    except ImportError:
        logger.warning(
            "no Triton: on the GPU attention is measured in PyTorch, with the same numbers but slower; "
            "install hearken with its extra `cuda`"
        )
        return None
    return fused


def kernel_name(device: torch.device) -> str:
    """The kernel that measures ordinary attention on a device, as the model's facts show it."""
    if device.type == "cpu":
        level = compiled.best_level()
        return "blocked" if level is None else f"compiled-{level}"
    return "fused" if device.type == "cuda" and _fused() is not None else "blocked"


def attend(call: AttentionCall, rows: RowStatistics) -> Tensor:
    """Attention's output (B, N, Hq, Dv), by the fastest kernel that can; the statistics of every row go into `rows`.

    `rows` are the call's own (`AttentionCall.empty_rows`), all zero. `blocked` also takes what no other kernel does:
    biases, masks under which some query's keys are not one run, and on a GPU heads of fp32 wider than 128.
    """
    if call.is_ordinary:
        if call.query.device.type == "cpu" and compiled.best_level() is not None:
            return compiled.attend(call, rows)
        fused = _fused() if call.query.device.type == "cuda" else None
        if fused is not None and fused.takes(call):
            return fused.attend(call, rows)  # type: ignore[no-any-return]
    return blocked.attend(call, rows)
