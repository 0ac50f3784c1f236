"""Sums of attention weights along columns and diagonals on CUDA, in Triton.

They need each row's maximum and total, which the fused attention keeps; the weights are computed again from the
scores, a tile at a time, and dropped. Every sum is added up by one program in one order, so the same input gives the
same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.rows import KeyGroups

MASSES: Final = 1 << 24
"""Masses of turns on single keys that are held at a time: 64 MB in fp32."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """A fused attention call with what it kept of each row: enough to compute any weight again from its score.

    `first` and `last` (B, N) bound the keys each query sees; `start` and `length` (B,) are the sequences' places in
    their padded rows; `maximum` and `total` (B, Hq, N) are those of a row's scores s and of exp(s - maximum).
    """

    call: AttentionCall
    first: Tensor
    last: Tensor
    start: Tensor
    length: Tensor
    maximum: Tensor
    total: Tensor

    def arguments(self) -> tuple[Any, ...]:
        """The kernels' first arguments."""
        query, key = self.call.query, self.call.key
        return (
            *(query, key, self.maximum, self.total, self.first, self.last, self.start, self.length),
            *(*query.stride(), *key.stride(), *self.maximum.stride()[:2], query.shape[2]),
            *(query.shape[1] // key.shape[1], float(self.call.scaling), float(self.call.softcap or 1.0)),
        )

    def options(self, tile: int) -> dict[str, Any]:
        """The kernels' constants, with `tile` keys at a time."""
        width = self.call.query.shape[-1]
        interpreted = self.call.query.device.type == "cpu"
        return {
            **{"D": width, "WIDE": max(16, triton.next_power_of_2(width)), "N": tile},
            **{"HAS_SOFTCAP": self.call.softcap is not None, "INTERPRETED": interpreted},
            **({} if interpreted else {"num_warps": 4, "num_stages": 1}),
        }


def tile_of(query: Tensor) -> int:
    """Keys, and queries, at a time: as many as fit beside two tiles of keys into 96 KiB of shared memory."""
    return 64 if query.shape[-1] * query.dtype.itemsize <= 256 else 32


@triton.jit  # type: ignore[untyped-decorator]
def _queries(  # type: ignore[no-untyped-def]
    Q, Maximum, Total, First, Last, item, head, start, i, real,
    q_b, q_h, q_n, q_d, rows_b, rows_h, tokens, D: tl.constexpr, WIDE: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """Queries i (M, D), the run of keys each sees, its maximum and inverse total; those not `real` see no key."""
    d = tl.arange(0, WIDE)
    q = tl.load(
        Q + item * q_b + head * q_h + (start + i)[:, None] * q_n + d[None, :] * q_d,
        mask=real[:, None] & (d < D)[None, :],
        other=0.0,
    )
    if INTERPRETED:  # the interpreter multiplies no bfloat16
        q = q.to(tl.float32)
    first = tl.load(First + item * tokens + i, mask=real, other=0)
    last = tl.load(Last + item * tokens + i, mask=real, other=0)
    sees = last > first
    row = item * rows_b + head * rows_h + i
    m = tl.load(Maximum + row, mask=sees, other=0.0)
    inverse = 1 / tl.load(Total + row, mask=sees, other=1.0)
    return q, first, last, m, inverse


@triton.jit  # type: ignore[untyped-decorator]
def _keys(  # type: ignore[no-untyped-def]
    K, item, shared, start, j, real,
    k_b, k_h, k_n, k_d, D: tl.constexpr, WIDE: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """Keys j (D, N)."""
    d = tl.arange(0, WIDE)
    k = tl.load(
        K + item * k_b + shared * k_h + (start + j)[None, :] * k_n + d[:, None] * k_d,
        mask=real[None, :] & (d < D)[:, None],
        other=0.0,
    )
    if INTERPRETED:
        k = k.to(tl.float32)
    return k


@triton.jit  # type: ignore[untyped-decorator]
def _weights(q, k, j, first, last, m, inverse, scaling, softcap, HAS_SOFTCAP: tl.constexpr):  # type: ignore[no-untyped-def]
    """The attention weights of a tile (M, N)."""
    s = tl.dot(q, k, input_precision="ieee") * scaling
    if HAS_SOFTCAP:
        bounded = 2 / (1 + tl.exp(-2 * s / softcap)) - 1  # tanh
        s = softcap * bounded
    seen = (j[None, :] >= first[:, None]) & (j[None, :] < last[:, None])
    return tl.exp(tl.where(seen, s - m[:, None], -1e30)) * inverse[:, None]  # a hidden key's weight is exactly 0


@triton.jit  # type: ignore[untyped-decorator]
def _columns(  # type: ignore[no-untyped-def]
    Q, K, Maximum, Total, First, Last, Start, Length,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, rows_b, rows_h, tokens, group, scaling, softcap,
    Stretches, Sums, sums_s, sums_h,
    D: tl.constexpr, WIDE: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    HAS_SOFTCAP: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """For N keys of one head: the sum of the weights on each over the queries of one stretch."""
    block, head, stretch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    item = tl.load(Stretches + stretch * 3)
    low = tl.load(Stretches + stretch * 3 + 1)
    high = tl.load(Stretches + stretch * 3 + 2)
    start, length = tl.load(Start + item), tl.load(Length + item)
    j = block * N + tl.arange(0, N)
    inside = j < length
    k = _keys(K, item, head // group, start, j, inside, k_b, k_h, k_n, k_d, D, WIDE, INTERPRETED)
    sums = tl.zeros([N], tl.float32)
    for base in range(low, high, M):
        i = base + tl.arange(0, M)
        real = i < high
        first = tl.load(First + item * tokens + i, mask=real, other=2147483647)
        last = tl.load(Last + item * tokens + i, mask=real, other=0)
        if (tl.min(first) < block * N + N) & (tl.max(last) > block * N):
            q, first, last, m, inverse = _queries(
                Q, Maximum, Total, First, Last, item, head, start, i, real,
                q_b, q_h, q_n, q_d, rows_b, rows_h, tokens, D, WIDE, INTERPRETED,
            )  # fmt: skip
            sums += tl.sum(_weights(q, k, j, first, last, m, inverse, scaling, softcap, HAS_SOFTCAP), 0)
    tl.store(Sums + stretch * sums_s + head * sums_h + j, sums, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _diagonals(  # type: ignore[no-untyped-def]
    Q, K, Maximum, Total, First, Last, Start, Length,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, rows_b, rows_h, tokens, group, scaling, softcap,
    Sums, sums_b, sums_h,
    D: tl.constexpr, WIDE: tl.constexpr, N: tl.constexpr, BOTH_WAYS: tl.constexpr,
    HAS_SOFTCAP: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """For N distances of one head: the sum of the weights at each, over queries N at a time and two tiles of keys."""
    block, head, item = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start, length = tl.load(Start + item), tl.load(Length + item)
    x = tl.arange(0, N)
    near = block * N  # the least of these distances
    sums = tl.zeros([N], tl.float32)
    for base in range(0, length, N):
        i = base + x
        real = i < length
        earliest = tl.min(tl.load(First + item * tokens + i, mask=real, other=2147483647))
        latest = tl.max(tl.load(Last + item * tokens + i, mask=real, other=0))
        looks = (base >= near) & (base - near + N > earliest)
        if BOTH_WAYS:
            looks = looks | (base + near < latest)
        if looks:
            q, first, last, m, inverse = _queries(
                Q, Maximum, Total, First, Last, item, head, start, i, real,
                q_b, q_h, q_n, q_d, rows_b, rows_h, tokens, D, WIDE, INTERPRETED,
            )  # fmt: skip
            for side in tl.static_range(4 if BOTH_WAYS else 2):
                # Tiles of keys that begin at base - near - N, base - near, base + near, base + near + N.
                begin = base - near - N + side * N if side < 2 else base + near + (side - 2) * N
                j = begin + x
                inside = (j >= 0) & (j < length)
                k = _keys(K, item, head // group, start, j, inside, k_b, k_h, k_n, k_d, D, WIDE, INTERPRETED)
                p = _weights(q, k, j, first, last, m, inverse, scaling, softcap, HAS_SOFTCAP)
                p = tl.where(inside[None, :], p, 0.0)
                # Row r at distance near + c looks at key base + r -/+ (near + c).
                if side < 2:
                    place = x[:, None] - x[None, :] + (1 - side) * N
                    counts = (place >= 0) & (place < N)
                else:
                    place = x[:, None] + x[None, :] - (side - 2) * N
                    counts = (place >= 0) & (place < N) & (near + x > 0)[None, :]
                found = tl.gather(p, tl.minimum(tl.maximum(place, 0), N - 1), 1)
                sums += tl.sum(tl.where(counts, found, 0.0), 0)
    tl.store(Sums + item * sums_b + head * sums_h + near + x, sums, mask=near + x < length)


def column_sums(scored: ScoredRows, stretches: Sequence[tuple[int, int, int]], tile: int) -> Tensor:
    """For stretches of queries (sequence, first, one past the last): their weights' sums on every key. (S, H, N)"""
    heads, tokens = scored.call.query.shape[1:3]
    sums = torch.zeros(len(stretches), heads, tokens, device=scored.call.query.device)
    longest = max(high - low for _, low, high in stretches)
    rows = min(tile, max(16, triton.next_power_of_2(longest)))
    _columns[(triton.cdiv(tokens, tile), heads, len(stretches))](
        *scored.arguments(),
        *(torch.tensor(stretches, dtype=torch.int32).to(sums.device), sums, *sums.stride()[:2]),
        **scored.options(tile),
        M=rows,
    )
    return sums


def diagonal_sums(scored: ScoredRows, tile: int, *, both_ways: bool) -> Tensor:
    """The sum of the weights at each distance |i - j|, for every sequence and head. (B, H, N)

    `both_ways` says whether any query sees a key after itself.
    """
    batch, heads, tokens = scored.call.query.shape[:3]
    sums = torch.zeros(batch, heads, tokens, device=scored.call.query.device)
    _diagonals[(triton.cdiv(tokens, tile), heads, batch)](
        *scored.arguments(), sums, *sums.stride()[:2], **scored.options(tile), BOTH_WAYS=both_ways
    )
    return sums


def flow_of(scored: ScoredRows, item: int, group: KeyGroups, tile: int, *, by_head: bool) -> Tensor:
    """Sums over each turn's queries of their weights on scaffold and on every turn. (H or 1, T, 1 + T)"""
    heads, tokens = scored.call.query.shape[1:3]
    device = scored.call.query.device
    runs = group.runs()
    runs = runs[runs[:, 2] > 0]  # only turns' content has rows of flow
    column = torch.from_numpy(group.column).to(device)
    columns = (column[:, None] == torch.arange(group.turns + 1, device=device)).float()  # (n, 1 + T)
    flow = torch.zeros(heads if by_head else 1, group.turns, group.turns + 1, device=device)
    at_once = max(1, MASSES // (heads * tokens))
    for begin in range(0, len(runs), at_once):
        some = runs[begin : begin + at_once]
        masses = column_sums(scored, [(item, int(low), int(high)) for low, high, _ in some], tile)  # (S, H, N)
        masses = masses if by_head else masses.sum(1, keepdim=True)
        by_run = masses[..., : len(group.column)] @ columns  # (S, H or 1, 1 + T)
        for turns, places in _once_each(some[:, 2] - 1):
            flow[:, turns] += by_run[places].transpose(0, 1)
    return flow


def _once_each(turns: NDArray[np.int32]) -> Iterator[tuple[list[int], list[int]]]:
    """The runs' turns and indices, in parts in which no turn occurs twice: usually one part."""
    left = np.arange(len(turns))
    while len(left):
        some, places = np.unique(turns[left], return_index=True)
        yield some.tolist(), left[places].tolist()
        left = np.delete(left, places)
