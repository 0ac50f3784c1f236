"""GPTQ: whole numbers of 4 or 8 bits along the rows of the turned weight, in groups, each with scale and zero point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.quantization.packed import (
    Found,
    Parts,
    groups_in_turn,
    nibbles,
    read,
    scaled_in_groups,
    setting,
    weight_of,
)


class Gptq:
    """W[i, o] = scales[g(i), o] (q[i, o] - z[g(i), o]), stored as (in, out); zero points less one but in version 2.

    With act-order `g_idx` says which group each input is of; else they follow each other. Source: Frantar et al.,
    arXiv 2210.17323, in the layout of AutoGPTQ.
    """

    name = "gptq"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self.bits = setting(config, "bits", (4, 8), model)
        self.model = model
        stated = config.get("checkpoint_format") or config.get("format") or "gptq"  # an older and a newer name
        form = setting({"checkpoint_format": stated}, "checkpoint_format", ("gptq", "gptq_v2"), model)
        self.ordered = bool(config.get("desc_act"))
        self.zero = 0 if form == "gptq_v2" else 1
        size = config.get("group_size", -1)
        self.group = size if isinstance(size, int) and size > 0 else None
        self.settings = f"gptq {self.bits} bits {form} groups of {self.group}"

    def parts_of(self, module: Parts) -> Found:
        return weight_of({"qweight", "qzeros", "scales", "g_idx"} & module.keys() if "qweight" in module else ())

    def weight(self, module: Parts) -> Tensor:
        q = nibbles(read(module["qweight"]), self.bits)  # (in / p, out, p)
        q = q.transpose(1, 2).reshape(-1, q.shape[1])  # (in, out)
        zeros = nibbles(read(module["qzeros"]), self.bits).flatten(1)[:, : q.shape[1]] + self.zero  # (groups, out)
        scales = read(module["scales"])  # (groups, out)
        if "g_idx" in module:
            group = read(module["g_idx"]).long()  # (in,)
        elif self.ordered and len(scales) > 1:
            raise QuantizationUnknown(
                f"the weights of {self.model} are in groups by act-order (desc_act), and nothing says which input "
                "is in which (g_idx)"
            )
        else:
            group = groups_in_turn(len(q), len(scales), self.group, self.model)
        return scaled_in_groups(q, zeros, scales, group, self.model)
