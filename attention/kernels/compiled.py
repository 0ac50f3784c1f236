"""Row statistics on the CPU by a compiled sweep (`sweep.c`): the same numbers as `blocked`, at plain attention's speed.

The library is built when Hearken is installed, once for each level of vector registers. Where there was no compiler
there is no library, and `kernels.attend` stays with PyTorch.
"""

import ctypes
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.rows import EVERY_ROW, TURN_ROWS, KeyGroups, RowStatistics
from attention.kernels.visibility import VisibleKeys

log = logging.getLogger(__name__)

FIXED_POINT: Final = 2.0**-32
"""The unit of sums that several threads add to: whole numbers add up the same in any order."""
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
        *((name, ctypes.c_void_p) for name in ("by_distance", "received", "flow")),
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


def attend(call: AttentionCall, *, level: str | None = None) -> tuple[Tensor, RowStatistics]:
    """Attention's output (B, N, Hq, Dv) in the values' dtype and the statistics of every row, on the CPU.

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
    rows = call.empty_rows()
    output = torch.zeros(batch, tokens, heads, v.shape[-1])
    sink_logits = None if call.sinks is None else call.sinks.float().contiguous()
    layout = _layout(call.visible_keys, call.groups, tokens)
    by_distance = torch.zeros(batch, heads, tokens, dtype=torch.int64) if call.request.turns else None
    received = torch.zeros(batch, heads, tokens, dtype=torch.int64) if call.request.received else None
    flow = None if rows.flow is None else [torch.zeros(f.shape, dtype=torch.int64) for f in rows.flow]
    flows = None if flow is None else (ctypes.c_void_p * batch)(*[f.data_ptr() for f in flow])
    job = _Sweep(
        **{name: tensor.data_ptr() for name, tensor in (("query", q), ("key", k), ("value", v))},
        query_strides=q.stride()[:3],
        key_strides=k.stride()[:3],
        value_strides=v.stride()[:3],
        **dict(zip(_SIZES, (batch, heads, k.shape[1], tokens, width, v.shape[-1]), strict=True)),
        scaling=call.scaling,
        softcap=call.softcap or 0.0,
        sinks=_address(sink_logits),
        **{name: array.ctypes.data for name, array in layout.items()},
        output=output.data_ptr(),
        **{name: _address(getattr(rows, name)) for name in _ROWS},
        by_distance=_address(by_distance),
        received=_address(received),
        flow=None if flows is None else ctypes.addressof(flows),
        flow_heads=int(call.request.flow_heads),
        threads=torch.get_num_threads(),
    )
    if builds()[level].hearken_sweep(ctypes.byref(job)):
        raise MemoryError(f"no memory for the scores of one block of queries over {tokens} tokens")
    if by_distance is not None:
        rows.by_distance = by_distance.double() * FIXED_POINT
    if received is not None:
        rows.received = received.double() * FIXED_POINT
    if flow is not None:
        rows.flow = [(f.double() * FIXED_POINT).float() for f in flow]
    return output.to(call.value.dtype), rows


def _unit_stride(tensor: Tensor) -> Tensor:
    """The tensor in fp32 with stride 1 along its last dimension; the same tensor where it already is."""
    tensor = tensor.detach().float()
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _layout(
    visible_keys: Sequence[VisibleKeys], groups: Sequence[KeyGroups], tokens: int
) -> dict[str, NDArray[np.int32]]:
    """Arrays that describe the sequences to the sweep: visible keys, runs of keys of one group, turns, speakers."""

    def padded(rows: list[NDArray[np.int32]]) -> NDArray[np.int32]:
        table = np.zeros((len(rows), tokens), np.int32)
        for target, row in zip(table, rows, strict=True):
            target[: len(row)] = row
        return table

    def joined(parts: list[NDArray[np.int32]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        offset = np.cumsum([0, *map(len, parts)], dtype=np.int32)
        return offset, np.ascontiguousarray(np.concatenate(parts), dtype=np.int32)

    run_offset, runs = joined([group.runs() for group in groups])
    turn_offset, turn_number = joined([group.turn_number for group in groups])
    return {
        "start": np.array([each.start for each in visible_keys], np.int32),
        "length": np.array([each.tokens for each in visible_keys], np.int32),
        "first": padded([each.first for each in visible_keys]),
        "last": padded([each.last for each in visible_keys]),
        "run_offset": run_offset,
        "runs": runs,
        "query_turn": padded([group.query_turn for group in groups]),
        "turn_offset": turn_offset,
        "turn_number": turn_number,
        "turn_speaker": joined([group.turn_speaker for group in groups])[1],
    }
