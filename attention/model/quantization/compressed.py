"""compressed-tensors: 8-bit floating point or whole numbers with scales, or whole numbers packed into 32 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.quantization.float8 import block_of, spread
from attention.model.quantization.packed import Found, Parts, low_precision, nibbles, read, setting, weight_of

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
        if (config.get("transform_config") or {}).get("config_groups"):
            raise QuantizationUnknown(
                f"the weights of {model} are transformed (compressed-tensors, transform_config), some of it while they "
                "are used, which cannot be read"
            )
        groups = [group.get("weights") or {} for group in (config.get("config_groups") or {}).values()]
        self.bits = {int(group.get("num_bits", 8)) for group in groups}
        for group in groups:
            setting(group, "strategy", STRATEGIES, model, "tensor")
        if self.format == "pack-quantized" and (len(self.bits) != 1 or not self.bits <= {4, 8}):
            raise QuantizationUnknown(f"the weights of {model} are packed in {self.bits} bits; 4 or 8 can be read")
        block = next((group["block_structure"] for group in groups if group.get("block_structure")), None)
        self.block = block_of(block, model)
        self.settings = f"compressed-tensors {self.format} {sorted(self.bits)} bits blocks {self.block}"

    def parts_of(self, module: Parts) -> Found:
        if "weight_scale" not in module:
            return {}
        known = {"weight", "weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx"}
        return weight_of(known & module.keys())

    def weight(self, module: Parts) -> Tensor:
        q = self._numbers(module)  # (out, in)
        zero, scale = self._zero(module, len(q)), read(module["weight_scale"]).float()
        group = self._group(module, q.shape[1], scale)
        if group is not None:
            zero, scale = (each[:, group] if each.numel() > 1 else each for each in (zero, scale))
        weight: Tensor = (q - spread(zero, q, self.block, self.model)) * spread(scale, q, self.block, self.model)
        return weight

    def _numbers(self, module: Parts) -> Tensor:
        if "weight_packed" not in module:
            return low_precision(module, self.model).float()
        (bits,) = self.bits
        columns = int(read(module["weight_shape"])[1])
        q = nibbles(read(module["weight_packed"]), bits).flatten(1)[:, :columns]
        return q.float() - (1 << (bits - 1))

    def _zero(self, module: Parts, rows: int) -> Tensor:
        """Zero points as the numbers have them; packed ones are packed along the rows."""
        if "weight_zero_point" not in module:
            return torch.zeros(1)
        zero = read(module["weight_zero_point"])
        if "weight_packed" not in module:
            return zero.float()
        (bits,) = self.bits
        zero = nibbles(zero, bits).transpose(1, 2).flatten(0, 1)[:rows]  # (out / p, groups, p) to (out, groups)
        return zero.float() - (1 << (bits - 1))

    def _group(self, module: Parts, inputs: int, scale: Tensor) -> Tensor | None:
        """The group of each input (in,), where they are in groups by act-order; -1 in it says that they are not."""
        if "weight_g_idx" not in module or bool(((group := read(module["weight_g_idx"]).long()) == -1).any()):
            return None
        if scale.ndim != 2 or len(group) != inputs or not 0 <= int(group.min()) <= int(group.max()) < scale.shape[1]:
            raise QuantizationUnknown(
                f"the weights of {self.model} have scales of the shape {tuple(scale.shape)}, which do not fit the "
                "groups of their inputs (weight_g_idx)"
            )
        return group
