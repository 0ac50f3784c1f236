"""Random attention inputs under every kind of mask, and the comparison of a kernel with the float64 oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention.kernels import (
    AttentionCall,
    KeyGroups,
    Layout,
    RowRequest,
    RowStatistics,
    VisibleKeys,
    dense,
    visibility,
)
from attention.kernels.rows import EVERY_ROW, TURN_ROWS, as_float

EVERYTHING = RowRequest(received=True, turns=True, flow=True, flow_heads=True)
ABSOLUTE = {"distance": 1e-6, "distance_rest": 1e-6, "entropy": 1e-5, "entropy_rest": 1e-5, "turn_steps": 1e-6}
RELATIVE = {"distance", "distance_rest", "entropy", "entropy_rest", "turn_steps", "received", "by_distance", "flow"}


def visible_keys_of(kind: str, spans: list[tuple[int, int]], window: int = 5) -> tuple[VisibleKeys, ...]:
    """Causal, bidirectional, sliding (last `window`), local (both sides), with holes, or with rows that see nothing."""
    if kind == "causal":
        return visibility.causal(spans)
    if kind == "bidirectional":
        return visibility.bidirectional(spans)
    tokens = max(stop for _, stop in spans)
    i, j = torch.arange(tokens)[:, None], torch.arange(tokens)
    seen = {
        "sliding": (j <= i) & (j > i - window),
        "local": (i - j).abs() <= window,
        "holes": (j <= i) & (((i - j) % 2 == 0) | (j == 0)),
        "blind": (j < i) & (i % 4 != 2),  # some rows see nothing
    }[kind]
    return visibility.from_mask(seen[None, None], spans)


def groups_of(tokens: int, turns: int, rng: np.random.Generator) -> KeyGroups:
    """Scaffold and turns' content in random runs."""
    column = np.zeros(tokens, np.int32)
    if turns:
        edges = np.sort(rng.integers(0, tokens + 1, turns - 1))
        for turn, (low, high) in enumerate(zip([0, *edges], [*edges, tokens], strict=True)):
            column[low:high] = 1 + turn
            column[low : low + 2] = 0
    else:
        column[1:-1] = -1
    speaker = rng.integers(0, 3, turns).astype(np.int32)
    return KeyGroups(column, np.arange(turns, dtype=np.int32) + 3, speaker)


def case(
    *,
    kind: str = "causal",
    lengths: tuple[int, ...] = (23, 9, 1),
    left: bool = False,
    heads: int = 4,
    shared: int = 2,
    width: int = 8,
    value_width: int = 12,
    turns: int = 4,
    strength: float = 1.0,
    softcap: float | None = None,
    sinks: bool = False,
    bias: bool = False,
    dtype: torch.dtype = torch.float32,
    on_grid: bool = False,
    seed: int = 0,
) -> AttentionCall:
    """A batch of sequences of the given lengths, padded on the right, or on the left.

    `on_grid` makes queries and keys multiples of 1/8, so that scores have no rounding error at all where the width is a
    power of 4, and only what is done with them can err.
    """
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    spans = [(longest - n, longest) if left else (0, n) for n in lengths]

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    content = {n: (normal(heads, n, width), normal(shared, n, width), normal(shared, n, value_width)) for n in lengths}
    query, key, value = (
        torch.full((len(lengths), count, longest, size), 1e4).to(dtype)
        for count, size in ((heads, width), (shared, width), (shared, value_width))
    )
    for item, (n, (start, stop)) in enumerate(zip(lengths, spans, strict=True)):
        q, k, v = content[n]
        q = q * strength
        if on_grid:
            q, k = (q * 8).round() / 8, (k * 8).round() / 8
        query[item, :, start:stop] = q.to(dtype)
        key[item, :, start:stop] = k.to(dtype)
        value[item, :, start:stop] = v.to(dtype)
    rng = np.random.default_rng(seed)
    return AttentionCall(
        query,
        key,
        value,
        layout=Layout.of(visible_keys_of(kind, spans), [groups_of(n, turns, rng) for n in lengths], longest),
        request=EVERYTHING,
        scaling=width**-0.5,
        softcap=softcap,
        sinks=normal(heads) if sinks else None,
        bias=normal(1, heads, longest, longest) if bias else None,
    )


def rows_of(kernel: Any, call: AttentionCall, **options: Any) -> tuple[Tensor, RowStatistics]:
    """The output of a kernel that writes rows, and the rows."""
    rows = call.empty_rows()
    return kernel(call, rows, **options), rows


def sums_of(rows: RowStatistics) -> dict[str, Tensor]:
    """Every statistic there is by its name, as float64 numbers."""
    names = EVERY_ROW + (TURN_ROWS if rows.has_turns else ())
    found = {name: values.double() for name, values in zip(names, rows.values, strict=True)}
    sums = {"by_distance": rows.by_distance, "received": rows.received, "flow": rows.flow}
    return found | {name: as_float(each) for name, each in sums.items() if each is not None}


def assert_equals_dense(kernel: Any, given: AttentionCall, request: RowRequest = EVERYTHING, **options: Any) -> None:
    """The kernel's output and every statistic equal the float64 oracle's."""
    call = replace(given, request=request)
    out, rows = rows_of(kernel, call, **options)
    expected_out, expected = dense.attend(call)
    exact = given.value.dtype == torch.float32
    torch.testing.assert_close(out, expected_out, rtol=1e-4 if exact else 2e-2, atol=2e-5 if exact else 2e-2)
    assert_same_rows(rows, expected)


def assert_same_rows(rows: RowStatistics, expected: RowStatistics) -> None:
    found, wanted = sums_of(rows), sums_of(expected)
    assert found.keys() == wanted.keys()
    for name, w in wanted.items():
        f = found[name]
        if name == "variance":
            f, w = f.clamp(min=0).sqrt(), w.clamp(min=0).sqrt()
        absolute = 2e-4 if name == "variance" else ABSOLUTE.get(name, 1e-6)
        relative = 1e-5 if name in RELATIVE or name == "variance" else 0.0
        np.testing.assert_allclose(f, w, rtol=relative, atol=absolute, err_msg=name)


FLOOR = 0.01
RELATIVE_BOUNDS = {"entropy": 5e-5, "entropy_rest": 1e-4}
"""Of errors relative to the larger of the value and `FLOOR`; of every other statistic 1e-5."""
SPREAD_OF_ONE_KEY = 2.0**-22 if torch.cuda.is_available() else 0.0
"""What a row that is all on one key may be spread, of a sequence's length: a GPU alone rounds that key's own place."""


def assert_within_bounds(
    kernel: Any, given: AttentionCall, request: RowRequest = EVERYTHING, *, of_sums: float = 1e-5
) -> None:
    """The kernel's output and every statistic equal the float64 oracle's within what is promised of GPUs.

    `of_sums` bounds the sums over rows, whose weights have the rounding of scores in bits: 2^-24 of the largest.
    """
    call = replace(given, request=request)
    out, rows = rows_of(kernel, call)
    expected_out, expected = dense.attend(call)
    exact = given.value.dtype == torch.float32
    torch.testing.assert_close(out, expected_out, rtol=1e-4 if exact else 2e-2, atol=2e-5 if exact else 2e-2)
    found, wanted = sums_of(rows), sums_of(expected)
    assert found.keys() == wanted.keys()
    for name, w in wanted.items():
        f = found[name]
        if name == "variance":
            f, w = f.clamp(min=0).sqrt(), w.clamp(min=0).sqrt()
        error = (f - w).abs()
        if name == "variance":
            error = (error - SPREAD_OF_ONE_KEY * call.shape[-1]).clamp(min=0)
        error = error / w.abs().clamp(min=FLOOR)
        bound = of_sums if name in ("by_distance", "received", "flow") else RELATIVE_BOUNDS.get(name, 1e-5)
        assert error.numel() == 0 or float(error.max()) < bound, (name, float(error.max()))
