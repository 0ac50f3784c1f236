"""What goes to a device and comes back from it: each in one copy, from and to pinned memory, without waiting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALIGNED: Final = 16
"""Bytes at whose multiples each table begins: what kernels are compiled for does not change with what lies before."""


def uploaded(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, Tensor]:
    """Arrays of whole numbers as int32 tensors on a device, by one copy."""
    begins, size = [], 0
    for array in arrays.values():
        begins.append(size)
        size += -(-array.size * 4 // ALIGNED) * ALIGNED // 4
    flat = np.zeros(size, np.int32)
    for array, begin in zip(arrays.values(), begins, strict=True):
        flat[begin : begin + array.size] = array.ravel()
    there = on(flat, device)
    return {
        name: there.narrow(0, begin, array.size).view(array.shape)
        for (name, array), begin in zip(arrays.items(), begins, strict=True)
    }


def on(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array on a device; on the CPU, itself."""
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=device.type == "cuda")
    pinned.copy_(tensor)
    there = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    return there.copy_(pinned, non_blocking=True)


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """Tensors on their way to the host: `parts` of one memory there, complete when `copied` has happened."""

    parts: dict[str, Tensor]
    copied: "torch.cuda.Event | None"

    def wait(self) -> dict[str, NDArray[Any]]:
        """The arrays, once they are there."""
        if self.copied is not None:
            self.copied.synchronize()
        return {name: part.numpy() for name, part in self.parts.items()}


def fetched(found: Mapping[str, Tensor]) -> Fetched:
    """Queue the copy of everything that was found on one device."""
    device = next(iter(found.values())).device
    if device.type == "cpu":
        return Fetched(dict(found), None)
    ordered = sorted(found.items(), key=lambda item: -item[1].element_size())  # so that each begins on its own size
    flat = torch.cat([tensor.contiguous().flatten().view(torch.uint8) for _, tensor in ordered])
    there = torch.empty(flat.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    there.copy_(flat, non_blocking=True)
    parts, begin = {}, 0
    for name, tensor in ordered:
        size = tensor.numel() * tensor.element_size()
        parts[name] = there[begin : begin + size].view(tensor.dtype).view(tensor.shape)
        begin += size
    return Fetched(parts, _recorded(device))


def _recorded(device: torch.device) -> "torch.cuda.Event | None":
    """An event after everything that is queued; on other devices than CUDA copies do not run ahead."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return event
