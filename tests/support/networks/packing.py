"""Weights packed as the formats publish them, one number at a time, by loops that have nothing of what unpacks them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def quantized(
    weight: Tensor, bits: int, group: int, *, order: Ints | None = None
) -> tuple[Ints, Ints, Tensor, Ints, Tensor]:
    """Whole numbers (in, out), zero points and scales (groups, out), the group of each input, and the weight they mean.

    `order` says in which order the inputs were put into groups (act-order).
    """
    turned = weight.T.double().numpy()  # (in, out)
    inputs, outputs = turned.shape
    place = np.arange(inputs) if order is None else np.argsort(order)
    of_group = place // group
    groups = -(-inputs // group)
    q, zeros = np.zeros((inputs, outputs), np.int64), np.zeros((groups, outputs), np.int64)
    scales = np.zeros((groups, outputs))
    for g in range(groups):
        rows = of_group == g
        low, high = np.minimum(turned[rows].min(0), 0), np.maximum(turned[rows].max(0), 0)
        scales[g] = np.float16((high - low) / (2**bits - 1)).astype(np.float64)
        zeros[g] = np.clip(np.round(-low / scales[g]), 1, 2**bits - 1)
        q[rows] = np.clip(np.round(turned[rows] / scales[g]) + zeros[g], 0, 2**bits - 1)
    meant = scales[of_group] * (q - zeros[of_group])
    return q, zeros, torch.from_numpy(scales).half(), of_group, torch.from_numpy(meant.T.copy()).float()


def along_rows(values: Ints, bits: int) -> Tensor:
    """Numbers of consecutive rows in one int32, the first in the lowest bits."""
    each = 32 // bits
    packed = np.zeros((values.shape[0] // each, values.shape[1]), np.uint32)
    for row in range(values.shape[0]):
        packed[row // each] |= values[row].astype(np.uint32) << np.uint32(bits * (row % each))
    return torch.from_numpy(packed.view(np.int32).copy())


def along_columns(values: Ints, bits: int, order: tuple[int, ...] | None = None) -> Tensor:
    """Numbers of consecutive columns in one int32; `order` says which column each place holds."""
    each = 32 // bits
    packed = np.zeros((values.shape[0], values.shape[1] // each), np.uint32)
    for column in range(packed.shape[1]):
        for place in range(each):
            taken = column * each + (place if order is None else order[place])
            packed[:, column] |= values[:, taken].astype(np.uint32) << np.uint32(bits * place)
    return torch.from_numpy(packed.view(np.int32).copy())


def gptq(
    weight: Tensor, bits: int, group: int, *, order: Ints | None = None, version: int = 1
) -> tuple[dict[str, Tensor], Tensor]:
    """A module as GPTQ stores it, and the weight that it means."""
    q, zeros, scales, of_group, meant = quantized(weight, bits, group, order=order)
    parts = {
        "qweight": along_rows(q, bits),
        "qzeros": along_columns(zeros - (1 if version == 1 else 0), bits),
        "scales": scales,
        "g_idx": torch.from_numpy(of_group).int(),
    }
    return parts, meant


def awq(weight: Tensor, group: int) -> tuple[dict[str, Tensor], Tensor]:
    """A module as AWQ stores it, and the weight that it means."""
    q, zeros, scales, _, meant = quantized(weight, 4, group)
    parts = {
        "qweight": along_columns(q, 4, AWQ_ORDER),
        "qzeros": along_columns(zeros, 4, AWQ_ORDER),
        "scales": scales,
    }
    return parts, meant


def float8_blocks(weight: Tensor, size: int) -> tuple[dict[str, Tensor], Tensor]:
    """A module in 8-bit floating point with a scale for each block of size x size, and the weight that it means."""
    rows, columns = -(-weight.shape[0] // size), -(-weight.shape[1] // size)
    scale, packed, meant = torch.zeros(rows, columns), weight.clone().to(torch.float8_e4m3fn), weight.clone()
    for i in range(rows):
        for j in range(columns):
            part = (slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size))
            scale[i, j] = weight[part].abs().max() / 448
            packed[part] = (weight[part] / scale[i, j]).to(torch.float8_e4m3fn)
            meant[part] = packed[part].float() * scale[i, j]
    return {"weight": packed, "weight_scale_inv": scale}, meant


FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def mxfp4(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Experts (E, in, out) as gpt-oss has them: blocks (E, out, groups, 16), scales (E, out, groups), their meaning."""
    turned = weight.transpose(1, 2).double().numpy()  # (E, out, in)
    experts, outputs, inputs = turned.shape
    blocks = np.zeros((experts, outputs, inputs // 32, 16), np.uint8)
    scales = np.zeros((experts, outputs, inputs // 32), np.uint8)
    meant = np.zeros_like(turned)
    for e, o, g in np.ndindex(scales.shape):
        group = turned[e, o, g * 32 : (g + 1) * 32]
        power = int(np.ceil(np.log2(max(np.abs(group).max(), 1e-9) / 6)))
        scales[e, o, g] = power + 127
        for place, value in enumerate(group):
            code = int(np.argmin([abs(abs(value) / 2.0**power - known) for known in FP4]))
            sign = 8 if value < 0 else 0
            blocks[e, o, g, place // 2] |= (code | sign) << (4 * (place % 2))
            meant[e, o, g * 32 + place] = np.copysign(FP4[code], value) * 2.0**power
    return torch.from_numpy(blocks), torch.from_numpy(scales), torch.from_numpy(meant).transpose(1, 2).float()
