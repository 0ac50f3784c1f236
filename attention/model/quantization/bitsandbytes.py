"""bitsandbytes: 4 bits that stand for sixteen values, scaled by blocks, or whole numbers of 8 bits scaled by rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.quantization.packed import Found, Parts, low_precision, read, weight_of

STATE: Final = "weight.quant_state.bitsandbytes__"
KINDS: Final = ("nf4", "fp4")
BY_ROWS: Final = 0
"""The `weight_format` of plain rows; others are orders that kernels of older GPUs wanted."""


class FourBits:
    """W = values[q] · absmax of the block, in the order of the weight's rows, the higher four bits of a byte first.

    With double quantization the scales are themselves 8 bits, in blocks, with an offset. Source: Dettmers et al., arXiv
    2305.14314, as bitsandbytes stores it beside each weight.
    """

    name = "bitsandbytes 4-bit"
    settings = "bitsandbytes 4 bits"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self.model = model
        del config  # each weight says how it was made

    def parts_of(self, module: Parts) -> Found:
        if not any(part.startswith(STATE) for part in module):
            return {}
        return weight_of(part for part in module if part.startswith("weight"))

    def weight(self, module: Parts) -> Tensor:
        part = next(part for part in module if part.startswith(STATE))
        state = json.loads(bytes(read(module[part]).tolist()))
        if part.removeprefix(STATE) not in KINDS:
            raise QuantizationUnknown(
                f"the weights of {self.model} are in 4 bits of the kind {part}, which is not known"
            )
        packed = read(module["weight"]).flatten().view(torch.uint8)  # whatever type the bytes were stored as
        codes = torch.stack([packed >> 4, packed & 15], -1).flatten().long()
        numbers = int(torch.Size(state["shape"]).numel())
        values = read(module["weight.quant_map"]).float()[codes[:numbers]]
        absmax = read(module["weight.absmax"])
        if "weight.nested_absmax" in module:
            of_scales = read(module["weight.nested_quant_map"]).float()[absmax.long()]
            nested = read(module["weight.nested_absmax"]).float().repeat_interleave(int(state["nested_blocksize"]))
            absmax = of_scales * nested[: len(of_scales)] + float(state["nested_offset"])
        scales = absmax.float().repeat_interleave(int(state["blocksize"]))[:numbers]
        return (values * scales).reshape(state["shape"])


class EightBits:
    """W[o, i] = q[o, i] SCB[o] / 127. Source: Dettmers et al., arXiv 2208.07339."""

    name = "bitsandbytes int8"
    settings = "bitsandbytes 8 bits"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self.model = model
        del config  # there is nothing to set

    def parts_of(self, module: Parts) -> Found:
        return weight_of({"weight", "SCB", "weight_format"} & module.keys() if "SCB" in module else ())

    def weight(self, module: Parts) -> Tensor:
        if "weight_format" in module and int(read(module["weight_format"])) != BY_ROWS:
            raise QuantizationUnknown(f"the weights of {self.model} are in 8 bits in the order of one GPU's kernels")
        return low_precision(module, self.model).float() * read(module["SCB"]).float()[:, None] / 127
