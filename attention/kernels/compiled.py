"""Row statistics on the CPU by a compiled sweep (`sweep.c`): the same numbers as `blocked`, at plain attention's speed.

The library is built when Hearken is installed, once for each level of vector registers. Where there was no compiler
there is no library, and `kernels.attend` stays with PyTorch.
"""

import ctypes
import functools
import logging
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.layout import Layout
from attention.kernels.rows import EVERY_ROW, TURN_ROWS, RowStatistics

log = logging.getLogger(__name__)

LEVELS: Final = {"AVX512": ("avx512", "avx2", "plain"), "AVX2": ("avx2", "plain")}
"""PyTorch's name for the processor's vector registers, and the builds that run on it, best first."""

_ROWS: Final = EVERY_ROW + TURN_ROWS
_SIZES: Final = ("batch", "heads", "key_heads", "tokens", "width", "value_width")
_SEQUENCES: Final = ("start", "length", "first", "last", "run_offset", "runs", "query_turn")
_TURNS: Final = ("turn_offset", "turn_number", "turn_speaker")


class _Sweep(ctypes.Structure):
    """`struct sweep` of sweep.c, field by field, which a test compares."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("query", "key", "value")),
        *((f"{name}_strides", ctypes.c_int64 * 3) for name in ("query", "key", "value")),
        *((name, ctypes.c_int32) for name in _SIZES),
        *((name, ctypes.c_float) for name in ("scaling", "softcap")),
        *((name, ctypes.c_void_p) for name in ("sinks", *_SEQUENCES, *_TURNS, "output", *_ROWS)),
        *((name, ctypes.c_void_p) for name in ("by_distance", "received", "flow", "flow_offset")),
        *((name, ctypes.c_int32) for name in ("flow_heads", "threads")),
    )


@functools.cache
def builds() -> dict[str, ctypes.CDLL]:
    """The builds that this processor can run, by level, best first. Where there is none, the log says so once."""
    found: dict[str, ctypes.CDLL] = {}
    for level in LEVELS.get(torch.backends.cpu.get_cpu_capability(), ("plain",)):
        for path in Path(__file__).parent.glob(f"_sweep_{level}.*"):
            try:
                loaded = ctypes.CDLL(str(path))
            except OSError as error:
                log.warning("the compiled kernel for %s cannot be loaded (%s)", level, error)
                continue
            loaded.hearken_sweep.argtypes = [ctypes.POINTER(_Sweep)]
            loaded.hearken_sweep.restype = ctypes.c_int
            found[level] = loaded
    if not found:
        log.warning(
            "no compiled kernel: attention is measured in PyTorch, with the same numbers but slower; "
            "install a C compiler (GCC 12 or Clang 15, or newer) and install Hearken again"
        )
    return found


def best_level() -> str | None:
    """The level `attend` runs at unless told otherwise; None where nothing was built."""
    return next(iter(builds()), None)


def attend(call: AttentionCall, rows: RowStatistics, *, level: str | None = None) -> Tensor:
    """Attention's output (B, N, Hq, Dv) in the values' dtype, on the CPU; statistics of every row go into `rows`.

    `level` is one of `builds()`, the best unless given. Raises ValueError for a call that is not ordinary, and
    MemoryError where the scores of one block of queries do not fit.
    """
    level = level or best_level()
    if level is None:
        raise RuntimeError("the compiled kernel was not built; `kernels.attend` asks before it chooses")
    if not call.is_ordinary:
        raise ValueError("the compiled kernel takes only queries that see one run of keys, and no bias")
    batch, heads, tokens, width = call.query.shape
    q, k, v = (_unit_stride(tensor) for tensor in (call.query, call.key, call.value))
    output = torch.zeros(batch, tokens, heads, v.shape[-1])
    sink_logits = None if call.sinks is None else call.sinks.float().contiguous()
    tables = call.layout.once((__name__, "tables"), lambda: _tables(call.layout))
    with_turns = rows.has_turns and call.layout.groups.turns > 0
    names = _ROWS if with_turns else EVERY_ROW
    job = _Sweep(
        **{name: tensor.data_ptr() for name, tensor in (("query", q), ("key", k), ("value", v))},
        query_strides=q.stride()[:3],
        key_strides=k.stride()[:3],
        value_strides=v.stride()[:3],
        **dict(zip(_SIZES, (batch, heads, k.shape[1], tokens, width, v.shape[-1]), strict=True)),
        scaling=call.scaling,
        softcap=call.softcap or 0.0,
        sinks=_address(sink_logits),
        **{name: table.data_ptr() for name, table in tables.items()},
        output=output.data_ptr(),
        **{name: each.data_ptr() for name, each in zip(names, rows.values, strict=False)},
        by_distance=_address(rows.by_distance) if with_turns else None,
        received=_address(rows.received),
        flow=_address(rows.flow) if with_turns else None,
        flow_heads=int(call.request.flow_heads),
        threads=torch.get_num_threads(),
    )
    if builds()[level].hearken_sweep(ctypes.byref(job)):
        raise MemoryError(f"no memory for the scores of one block of queries over {tokens} tokens")
    return output.to(call.value.dtype)


def _unit_stride(tensor: Tensor) -> Tensor:
    """The tensor in fp32 with stride 1 along its last dimension; the same tensor where it already is."""
    tensor = tensor.detach().float()
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _tables(layout: Layout) -> dict[str, Tensor]:
    """The layout's tables by the names that the sweep has for them, and all runs of keys, scaffold's too."""
    groups, tables = layout.groups, dict(layout.tables(torch.device("cpu")))
    runs = groups.runs  # sequence, first key, one past the last, column
    offset = np.searchsorted(runs[:, 0], np.arange(groups.sequences + 1)).astype(np.int32)
    tables |= {"run_offset": torch.from_numpy(offset), "runs": torch.from_numpy(np.ascontiguousarray(runs[:, 1:]))}
    return {name: tables[name] for name in (*_SEQUENCES, *_TURNS, "flow_offset")}
