"""AWQ: whole numbers of 4 bits along the columns of the turned weight, in an order of its own, in groups of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
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

ORDER: Final = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight columns each four bits of a number hold, lowest first."""


class Awq:
    """W[i, o] = scales[i / g, o] (q[i, o] - z[i / g, o]), stored as (in, out).

    Source: Lin et al., arXiv 2306.00978, in the layout `gemm` of AutoAWQ, which has 4 bits only.
    """

    name = "awq"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        bits = config.get("bits", config.get("w_bit", 4))
        setting({"bits": bits}, "bits", (4,), model)
        for name in ("version", "format", "checkpoint_format"):  # names that it went by in turn
            setting({name: str(config.get(name) or "gemm").lower()}, name, ("gemm",), model)
        if str(config.get("backend")).lower() == "llm-awq":
            raise QuantizationUnknown(f"the weights of {model} are in the layout of llm-awq, which cannot be read")
        self.model = model
        size = config.get("group_size", config.get("q_group_size", 128))
        self.group = size if isinstance(size, int) and size > 0 else None
        self.settings = f"awq 4 bits gemm groups of {self.group}"

    def parts_of(self, module: Parts) -> Found:
        return weight_of({"qweight", "qzeros", "scales"} & module.keys() if "qweight" in module else ())

    def weight(self, module: Parts) -> Tensor:
        q, zeros = _columns(read(module["qweight"])), _columns(read(module["qzeros"]))  # (in, out), (groups, out)
        scales = read(module["scales"])  # (groups, out)
        group = groups_in_turn(len(q), len(scales), self.group, self.model)
        return scaled_in_groups(q, zeros, scales, group, self.model)


def _columns(packed: Tensor) -> Tensor:
    values = nibbles(packed, 4)  # (rows, out / 8, 8)
    in_order = torch.empty_like(values)
    in_order[..., list(ORDER)] = values
    return in_order.flatten(1)
