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
from attention.kernels.rows import KeyGroups, RowRequest, RowStatistics
from attention.kernels.visibility import MaskRule, VisibleKeys

__all__ = [
    "AttentionCall",
    "KeyGroups",
    "MaskRule",
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
        from attention.kernels import fused
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


def attend(call: AttentionCall) -> tuple[Tensor, RowStatistics]:
    """Attention's output (B, N, Hq, Dv) and the statistics of every row, by the fastest kernel that can.

    `blocked` also takes what no other kernel does: biases, and masks under which some query's keys are not one run.
    """
    if call.is_ordinary:
        if call.query.device.type == "cpu" and compiled.best_level() is not None:
            return compiled.attend(call)
        fused = _fused() if call.query.device.type == "cuda" else None
        if fused is not None:
            return fused.attend(call)  # type: ignore[no-any-return]
    return blocked.attend(call)
