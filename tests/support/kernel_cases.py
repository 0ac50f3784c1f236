"""Random attention inputs under every kind of mask, and the comparison of a kernel with the float64 oracle."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention.kernels import AttentionCall, KeyGroups, RowRequest, RowStatistics, VisibleKeys, dense, visibility

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
        visible_keys=visible_keys_of(kind, spans),
        groups=tuple(groups_of(n, turns, rng) for n in lengths),
        request=EVERYTHING,
        scaling=width**-0.5,
        softcap=softcap,
        sinks=normal(heads) if sinks else None,
        bias=normal(1, heads, longest, longest) if bias else None,
    )


def assert_equals_dense(kernel: Any, given: AttentionCall, request: RowRequest = EVERYTHING, **options: Any) -> None:
    """The kernel's output and every statistic equal the float64 oracle's."""
    call = replace(given, request=request)
    out, rows = kernel(call, **options)
    expected_out, expected = dense.attend(call)
    exact = given.value.dtype == torch.float32
    torch.testing.assert_close(out, expected_out, rtol=1e-4 if exact else 2e-2, atol=2e-5 if exact else 2e-2)
    assert_same_rows(rows, expected)


def assert_same_rows(rows: RowStatistics, expected: RowStatistics) -> None:
    for field in fields(RowStatistics):
        found, wanted = getattr(rows, field.name), getattr(expected, field.name)
        if wanted is None:
            assert found is None, field.name
            continue
        for f, w in zip(found, wanted, strict=True) if isinstance(wanted, list) else [(found, wanted)]:
            if field.name == "variance":
                f, w = f.clamp(min=0).sqrt(), w.clamp(min=0).sqrt()
            absolute = 2e-4 if field.name == "variance" else ABSOLUTE.get(field.name, 1e-6)
            relative = 1e-5 if field.name in RELATIVE or field.name == "variance" else 0.0
            np.testing.assert_allclose(f.double(), w.double(), rtol=relative, atol=absolute, err_msg=field.name)
