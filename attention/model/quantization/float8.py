"""Weights of 8-bit floating point with a scale for the tensor, for each row, or for each block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.quantization.packed import Found, Parts, read, weight_of

SCALES: Final = ("weight_scale_inv", "weight_scale")
UNUSED: Final = frozenset({"input_scale", "activation_scale", "input_scale_ub"})
"""Scales of what goes in, which matter only where that is quantized too."""


class Float8:
    """W = q · scale, each scale for as many rows and columns as it has a share of.

    Source: DeepSeek-V3, arXiv 2412.19437, whose scales are called inverse and multiply all the same.
    """

    name = "fp8"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self.model = model
        size = config.get("weight_block_size")
        self.block = tuple(size) if size else None
        self.settings = f"fp8 blocks {self.block}"

    def parts_of(self, module: Parts) -> Found:
        if not any(scale in module for scale in SCALES):
            return {}
        return weight_of({"weight", *SCALES, *UNUSED} & module.keys())

    def weight(self, module: Parts) -> Tensor:
        weight = read(module["weight"]).float()
        scale = read(module[next(scale for scale in SCALES if scale in module)]).float()
        return weight * spread(scale, weight, self.block, self.model)


def spread(scale: Tensor, weight: Tensor, block: tuple[int, ...] | None, model: str) -> Tensor:
    """Scales as large as the weight (..., out, in), or of a shape that spreads to it by itself."""
    if scale.numel() == 1:
        return scale.reshape(())
    if scale.ndim == 1 and len(scale) == weight.shape[-2]:
        return scale[:, None]
    if scale.ndim != weight.ndim:
        raise QuantizationUnknown(f"the weights of {model} have scales of the shape {tuple(scale.shape)}, not known")
    for axis in (-2, -1):
        if scale.shape[axis] not in (1, weight.shape[axis]):
            if block is None and weight.shape[axis] % scale.shape[axis]:
                raise QuantizationUnknown(f"the weights of {model} have scales that do not divide them evenly")
            size = block[axis] if block is not None else weight.shape[axis] // scale.shape[axis]
            scale = scale.repeat_interleave(size, axis).narrow(axis, 0, weight.shape[axis])
    return scale
