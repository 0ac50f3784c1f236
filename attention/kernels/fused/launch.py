"""The one place where Triton kernels are launched: what was compiled is remembered, so that a launch costs little."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

_MOST: Final = 4096
"""Launches that are remembered; shapes of batches are many, and each is one."""

_compiled: dict[tuple[object, ...], tuple[Any, tuple[object, ...]]] = {}


def launch(kernel: Any, grid: Sequence[int], *args: Any, **constants: Any) -> None:
    """Run a kernel over a grid: `args` by position, then its constants and the options of its compilation by name.

    Constants stand last in the kernel's signature. Triton looks at every argument anew to find what was compiled for
    it, which costs more than small kernels take; here a launch that is like an earlier one goes straight to it. What
    Triton specialises on is in the key: data types, whether pointers lie on 16 bytes, integers, constants.
    """
    if not hasattr(kernel, "device_caches"):  # interpreted
        kernel[tuple(grid)](*args, **constants)
        return
    device = next(each.device.index for each in args if isinstance(each, Tensor))
    if device != torch.cuda.current_device():
        with torch.cuda.device(device):
            launch(kernel, grid, *args, **constants)
        return
    key = (
        kernel.fn,
        device,
        *[(each.dtype, each.data_ptr() & 15) if isinstance(each, Tensor) else each for each in args],
        *constants.values(),
    )
    known = _compiled.get(key)
    if known is None:
        if len(_compiled) >= _MOST:
            _compiled.clear()
        made = kernel[tuple(grid)](*args, **constants, enable_fp_fusion=True)
        _compiled[key] = made, tuple(constants[name] for name in kernel.arg_names[len(args) :])
        return
    made, values = known
    made[(*grid, 1, 1)[:3]](*args, *values)
