"""Arithmetic in float32 over a network whose weights have less precision, without a second copy of them.

Where a network chooses, its rounding decides: two correct ways to compute attention differ by a rounding of bfloat16,
a router then takes another expert, and everything behind it is another number. Whether attention is computed rightly
can be seen only where rounding is too small for that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

HALVES: Final = (torch.bfloat16, torch.float16)
LOOKUPS: Final = (
    torch.ops.aten.embedding.default,
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_select.default,
    torch.ops.aten.gather.default,
)
"""Operations that only fetch: what they fetch from is not converted first, as it may be a whole vocabulary."""
CONVERSIONS: Final = (torch.ops.aten.to, torch.ops.aten.type_as)
"""They give what they take where it has the dtype already, and so pass for views."""


class Float32Arithmetic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operation takes float32 for what has half the bits, and makes float32 where it was to make less.

    A weight is converted when it is used, so that what is held besides is as large as one weight.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        if func.is_view and func.overloadpacket not in CONVERSIONS:
            return func(*args, **kwargs)
        args, kwargs = tree_map_only(torch.dtype, _wider, (args, kwargs))
        if func not in LOOKUPS:
            taken = func._schema.arguments
            written = {each.name for each in taken if each.alias_info is not None and each.alias_info.is_write}
            named = zip((each.name for each in taken), args, strict=False)
            args = tuple(given if name in written else _in_float32(given) for name, given in named)
            kwargs = {name: given if name in written else _in_float32(given) for name, given in kwargs.items()}
        return func(*args, **kwargs)


@contextmanager
def float32_arithmetic(network: Any) -> Iterator[None]:
    """Compute what a network computes in float32; its experts one after the other, as all others want one dtype."""
    if not any(weight.dtype in HALVES for weight in network.parameters()):
        yield
        return
    config = network.config
    before = getattr(config, "_experts_implementation", None)
    config._experts_implementation = "eager"
    try:
        with Float32Arithmetic():  # type: ignore[no-untyped-call]
            yield
    finally:
        config._experts_implementation = before


def _wider(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in HALVES else dtype


def _in_float32(given: Any) -> Any:
    return tree_map_only(torch.Tensor, lambda each: each.float() if each.dtype in HALVES else each, given)
