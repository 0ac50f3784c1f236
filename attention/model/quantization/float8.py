"""Weights of 8-bit floating point with a scale for the tensor, for each row, or for each block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.quantization.packed import Found, Parts, low_precision, read, weight_of

SCALES: Final = ("weight_scale_inv", "weight_scale")


class Float8:
    """W = q · scale, each scale for as many rows and columns as it has a share of.

    Source: DeepSeek-V3, arXiv 2412.19437, whose scales are called inverse and multiply all the same.
    """

    name = "fp8"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self.model = model
        self.block = block_of(config.get("weight_block_size"), model)
        self.settings = f"fp8 blocks {self.block}"

    def parts_of(self, module: Parts) -> Found:
        if not any(scale in module for scale in SCALES):
            return {}
        return weight_of({"weight", *SCALES} & module.keys())

    def weight(self, module: Parts) -> Tensor:
        weight = low_precision(module, self.model).float()
        scale = read(module[next(scale for scale in SCALES if scale in module)]).float()
        return weight * spread(scale, weight, self.block, self.model)


def block_of(size: Any, model: str) -> tuple[int, int] | None:
    """Rows and columns of a block, from a configuration; None where it has none."""
    if not size:
        return None
    if isinstance(size, list) and len(size) == 2 and all(isinstance(each, int) and each > 0 for each in size):
        return size[0], size[1]
    raise QuantizationUnknown(f"the weights of {model} have scales in blocks of {size}, which is not known")


def spread(scale: Tensor, weight: Tensor, block: tuple[int, int] | None, model: str) -> Tensor:
    """Scales as large as the weight (..., out, in), or of a shape that spreads to it by itself.

    Without blocks there is one for all, one for each row, or one for each of a row's groups of equal size. Raises
    QuantizationUnknown for other numbers of them.
    """
    if scale.numel() == 1:
        return scale.reshape(())
    if scale.ndim == 1 and len(scale) == weight.shape[-2]:
        return scale[:, None]
    if scale.ndim != weight.ndim:
        raise QuantizationUnknown(f"the weights of {model} have scales of the shape {tuple(scale.shape)}, not known")
    rows, columns = weight.shape[-2:]
    if block is None:
        fits = scale.shape[-2] in (1, rows) and columns % scale.shape[-1] == 0
        block = rows // scale.shape[-2], columns // scale.shape[-1]
    else:
        fits = tuple(scale.shape[-2:]) == (-(-rows // block[0]), -(-columns // block[1]))
    if not fits:
        raise QuantizationUnknown(
            f"the weights of {model} have scales of the shape {tuple(scale.shape)} for weights of the shape "
            f"{tuple(weight.shape)}, which do not fit its configuration"
        )
    for axis, size in zip((-2, -1), block, strict=True):
        if scale.shape[axis] > 1:
            scale = scale.repeat_interleave(size, axis).narrow(axis, 0, weight.shape[axis])
    return scale
