"""compressed-tensors: 8-bit floating point or whole numbers with scales, or whole numbers packed into 32 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.quantization.float8 import UNUSED, spread
from attention.model.quantization.packed import Found, Parts, nibbles, read, setting, weight_of

FORMATS: Final = ("float-quantized", "int-quantized", "naive-quantized", "pack-quantized")
STRATEGIES: Final = ("tensor", "channel", "group", "block")


class CompressedTensors:
    """W = (q - z) scale; packed numbers are stored with half their range added, their zero points likewise.

    Source: the format's description in the compressed-tensors project.
    """

    name = "compressed-tensors"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self.model = model
        self.format = setting(config, "format", FORMATS, model)
        if (config.get("sparsity_config") or {}).get("format", "dense") != "dense":
            raise QuantizationUnknown(f"the weights of {model} are sparse (compressed-tensors), which cannot be read")
        groups = [group.get("weights") or {} for group in (config.get("config_groups") or {}).values()]
        self.bits = {int(group.get("num_bits", 8)) for group in groups}
        for group in groups:
            setting(group, "strategy", STRATEGIES, model, "tensor")
        if self.format == "pack-quantized" and (len(self.bits) != 1 or not self.bits <= {4, 8}):
            raise QuantizationUnknown(f"the weights of {model} are packed in {self.bits} bits; 4 or 8 can be read")
        block = next((group["block_structure"] for group in groups if group.get("block_structure")), None)
        self.block = tuple(block) if isinstance(block, list) else None
        self.settings = f"compressed-tensors {self.format} {sorted(self.bits)} bits blocks {self.block}"

    def parts_of(self, module: Parts) -> Found:
        if "weight_scale" not in module:
            return {}
        known = {"weight", "weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx"}
        return weight_of((known | UNUSED) & module.keys())

    def weight(self, module: Parts) -> Tensor:
        scale = read(module["weight_scale"]).float()
        if "weight_packed" not in module:
            q = read(module["weight"]).float()  # (out, in)
            zero = read(module["weight_zero_point"]).float() if "weight_zero_point" in module else torch.zeros(1)
            weight: Tensor = (q - spread(zero, q, self.block, self.model)) * spread(scale, q, self.block, self.model)
            return weight
        (bits,) = self.bits
        half = 2 ** (bits - 1)
        rows, columns = read(module["weight_shape"]).tolist()
        q = (nibbles(read(module["weight_packed"]), bits).flatten(1)[:, :columns] - half).float()  # (out, in)
        zero = torch.zeros(1)
        if "weight_zero_point" in module:  # packed along the rows
            packed = nibbles(read(module["weight_zero_point"]), bits)  # (out / p, groups, p)
            zero = packed.transpose(1, 2).flatten(0, 1)[:rows].float() - half  # (out, groups)
        if "weight_g_idx" in module:
            group = read(module["weight_g_idx"]).long()  # (in,)
            weight = (q - (zero[:, group] if zero.numel() > 1 else zero)) * scale[:, group]
        else:
            weight = (q - spread(zero, q, None, self.model)) * spread(scale, q, None, self.model)
        return weight
