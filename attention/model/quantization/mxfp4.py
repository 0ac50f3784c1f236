"""MXFP4: floating point of 4 bits in blocks of 32 with a power of two each, as gpt-oss has its experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from attention.model.quantization.packed import Found, Parts, read

VALUES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
BIAS: Final = 127
BLOCKS, SCALES = "_blocks", "_scales"


class Mxfp4:
    """W = value · 2^(scale - 127), the lower four bits of a byte first.

    Experts are stored (E, out, in) and used turned. Source: Open Compute Project, Microscaling Formats 1.0.
    """

    name = "mxfp4"
    settings = "mxfp4"

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        del model, config

    def parts_of(self, module: Parts) -> Found:
        names = [part.removesuffix(BLOCKS) for part in module if part.endswith(BLOCKS)]
        return {name: frozenset({name + BLOCKS, name + SCALES}) for name in names if name + SCALES in module}

    def weight(self, module: Parts) -> Tensor:
        name = next(part for part in module if part.endswith(BLOCKS)).removesuffix(BLOCKS)
        blocks = read(module[name + BLOCKS])  # (E, out, groups, 16), bytes
        scales = read(module[name + SCALES]).int() - BIAS  # (E, out, groups)
        codes = torch.stack([blocks & 15, blocks >> 4], -1).flatten(-2).long()  # (E, out, groups, 32)
        values = torch.tensor(VALUES)[codes]
        return torch.ldexp(values, scales.unsqueeze(-1)).flatten(-2).transpose(-1, -2).contiguous()  # (E, in, out)
