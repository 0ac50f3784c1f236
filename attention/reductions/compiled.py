"""The reductions on the CPU, compiled (`sums.c`): the same numbers as `plain`, each row's metrics worked out once."""

import ctypes
from typing import Final

import torch
from torch import Tensor

from attention.kernels import LayersOfRows, Layout, compiled
from attention.reductions.expectation import Expectation
from attention.reductions.summed import ROW_MEANS, SUMMED, RowSums

_TABLES: Final = ("length", "first", "last", "query_turn", "turn_offset", "turn_speaker", "turn_rows")
_RUNS: Final = ("content_offset", "content_runs")
_SIZES: Final = ("layers", "rows", "batch", "heads", "tokens", "turns", "speakers")


class _Sums(ctypes.Structure):
    """`struct sums` of sums.c, field by field, which a test compares."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("values", "by_distance", *_TABLES, *_RUNS, "flags", "pairs", "factors")),
        *((name, ctypes.c_void_p) for name in ("head_sums", "turn_sums")),
        *((name, ctypes.c_int32) for name in (*_SIZES, "has_reach", "before", "after", "threads")),
    )


def sum_rows(rows: LayersOfRows, layout: Layout, *, of_turns: bool, level: str | None = None) -> RowSums:
    """Sums over the defined rows of every head and, with `of_turns`, of every turn, and how many there are.

    `level` is one of `kernels.compiled.builds()`, the best unless given. Raises MemoryError where the sums of single
    rows do not fit, and ValueError for masks with holes.
    """
    if layout.has_holes:
        raise ValueError("the compiled sums take only queries that see one run of keys")
    builds = compiled.builds()
    library = builds[level or next(iter(builds))]
    cpu = torch.device("cpu")
    tables, expected, groups = layout.tables(cpu), Expectation.of(layout, cpu), layout.groups
    layers, kinds, batch, heads, tokens = rows.values.shape
    heads_sums = torch.zeros(layers, 2, len(SUMMED), batch, heads, dtype=torch.float64)
    turn_sums = torch.zeros(layers, 2, len(ROW_MEANS), groups.turns, dtype=torch.float64) if of_turns else None
    with_turns = rows.by_distance is not None and groups.turns > 0
    speakers = int(groups.turn_speaker.max()) + 1 if groups.turns else 0
    before, after = (
        (tokens if reach is None else reach for reach in (layout.reach.before, layout.reach.after))
        if (layout.reach)
        else (0, 0)
    )
    job = _Sums(
        values=rows.values.data_ptr(),
        by_distance=_address(rows.by_distance) if with_turns else None,
        **{name: tables[name].data_ptr() for name in (*_TABLES, *_RUNS)},
        flags=expected.flags.data_ptr(),
        pairs=expected.pairs.data_ptr(),
        factors=expected.factors.data_ptr(),
        head_sums=heads_sums.data_ptr(),
        turn_sums=_address(turn_sums) if groups.turns else None,
        **dict(zip(_SIZES, (layers, kinds, batch, heads, tokens, groups.turns, speakers), strict=True)),
        has_reach=int(layout.reach is not None),
        before=before,
        after=after,
        threads=torch.get_num_threads(),
    )
    library.hearken_sums.restype = ctypes.c_int
    if library.hearken_sums(ctypes.byref(job)):
        raise MemoryError(f"no memory for the sums of {batch} sequences of at most {tokens} tokens")
    return RowSums(heads_sums, turn_sums)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
