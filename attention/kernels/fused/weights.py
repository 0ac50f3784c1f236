"""Weights of a tile of attention, made from scores and each row's log-sum-exp, as all passes after the output do."""

from typing import Final

import triton
import triton.language as tl

HIDDEN = tl.constexpr(-1e30)
"""Used for minus infinity, because minus infinity times zero would be NaN."""
LOG2_E: Final = 1.4426950408889634
LOG2_OF_E = tl.constexpr(LOG2_E)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit  # type: ignore[untyped-decorator]
def power_of_two(t, INTERPRETED: tl.constexpr):  # type: ignore[no-untyped-def]
    """2^t by the device's own instruction, with 0 for what is below 2^-126: three instructions an element less."""
    if INTERPRETED:
        return tl.exp2(t)
    return tl.inline_asm_elementwise("ex2.approx.ftz.f32 $0, $1;", "=f,f", [t], dtype=tl.float32, is_pure=True, pack=1)


@triton.jit  # type: ignore[untyped-decorator]
def inverse_of(v, INTERPRETED: tl.constexpr):  # type: ignore[no-untyped-def]
    """1/v within a unit in the last place or two."""
    if INTERPRETED:
        return 1.0 / v
    return tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [v], dtype=tl.float32, is_pure=True, pack=1)


@triton.jit  # type: ignore[untyped-decorator]
def log2_of_scores(s, scale, softcap, HAS_SOFTCAP: tl.constexpr):  # type: ignore[no-untyped-def]
    """Scores times log2 e. `scale` is the scaling times log2 e or, with a cap, the scaling over the cap; `softcap`
    then is the cap times log2 e."""
    if HAS_SOFTCAP:
        return (2.0 / (1.0 + tl.exp(-2.0 * s * scale)) - 1.0) * softcap
    return s * scale


@triton.jit  # type: ignore[untyped-decorator]
def rows_of_heads(  # type: ignore[no-untyped-def]
    base, at, n_stride, d, d_stride, D: tl.constexpr, WIDE: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """Queries, keys or values at the places `at`, all of them there: (len(at), WIDE), 0 beyond the head's width."""
    if D != WIDE:
        x = tl.load(base + at[:, None] * n_stride + d[None, :] * d_stride, mask=(d < D)[None, :], other=0.0)
    else:
        x = tl.load(base + at[:, None] * n_stride + d[None, :] * d_stride)
    if INTERPRETED:  # the interpreter multiplies no bfloat16
        x = x.to(tl.float32)
    return x


@triton.jit  # type: ignore[untyped-decorator]
def log2_weights(  # type: ignore[no-untyped-def]
    q, keys, at, d, k_n, k_d, shift, scale, softcap, D: tl.constexpr, WIDE: tl.constexpr, HAS_SOFTCAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):  # fmt: skip
    """log2 of the weights of queries `q` (M, WIDE) on the keys `at` (N,), before any mask. (M, N)"""
    k = rows_of_heads(keys, at, k_n, d, k_d, D, WIDE, INTERPRETED)
    s = tl.dot(q, tl.trans(k), input_precision="tf32x3")
    return log2_of_scores(s, scale, softcap, HAS_SOFTCAP) - shift
