"""One metric of attention rows, and which rows have it: the definitions that all sums over rows share."""

import triton
import triton.language as tl

from attention.definitions import SINK_LIMIT
from attention.kernels.rows import PLACES
from attention.reductions import expectation
from attention.reductions.summed import LEFT_OUT, SHARES, SUMMED

DISTANCE = tl.constexpr(SUMMED.index("distance"))
DISTANCE_WITHOUT_SINK = tl.constexpr(SUMMED.index("distance_without_sink"))
DISTANCE_SPREAD = tl.constexpr(SUMMED.index("distance_spread"))
ENTROPY = tl.constexpr(SUMMED.index("entropy"))
ENTROPY_WITHOUT_SINK = tl.constexpr(SUMMED.index("entropy_without_sink"))
DISPERSION = tl.constexpr(SUMMED.index("dispersion"))
SINK = tl.constexpr(SUMMED.index("sink"))
SCAFFOLD = tl.constexpr(SUMMED.index("scaffold"))
NULL_MASS = tl.constexpr(SUMMED.index("null_mass"))
CROSS_TURN = tl.constexpr(SUMMED.index("cross_turn"))
CROSS_SPEAKER = tl.constexpr(SUMMED.index("cross_speaker"))
OWN_HISTORY = tl.constexpr(SUMMED.index("own_history"))
TURN_DISTANCE = tl.constexpr(SUMMED.index("turn_distance"))
UNIFORM = tl.constexpr(SUMMED.index(f"{SHARES[0]}_uniform"))
"""Where the shares under uniform attention begin, in the order of `SHARES`; `LOCAL` those by distance alone."""
LOCAL = tl.constexpr(SUMMED.index(f"{SHARES[0]}_local"))
UNMEASURED = tl.constexpr(SUMMED.index(LEFT_OUT))

AT_DISTANCE = tl.constexpr(PLACES["distance"])
AT_VARIANCE = tl.constexpr(PLACES["variance"])
AT_ENTROPY = tl.constexpr(PLACES["entropy"])
AT_SINK = tl.constexpr(PLACES["sink"])
AT_REST = tl.constexpr(PLACES["rest"])
AT_DISTANCE_REST = tl.constexpr(PLACES["distance_rest"])
AT_ENTROPY_REST = tl.constexpr(PLACES["entropy_rest"])
AT_NULL_MASS = tl.constexpr(PLACES["null_mass"])
AT_SCAFFOLD = tl.constexpr(PLACES["scaffold"])
AT_CONTENT = tl.constexpr(PLACES["content"])
AT_CROSS_TURN = tl.constexpr(PLACES["cross_turn"])
AT_CROSS_SPEAKER = tl.constexpr(PLACES["cross_speaker"])
AT_OWN_HISTORY = tl.constexpr(PLACES["own_history"])
AT_TURN_STEPS = tl.constexpr(PLACES["turn_steps"])

SEES = tl.constexpr(expectation.SEES)
SEES_OTHERS = tl.constexpr(expectation.SEES_OTHERS)
SEES_SEVERAL = tl.constexpr(expectation.SEES_SEVERAL)
SEES_SEVERAL_OTHERS = tl.constexpr(expectation.SEES_SEVERAL_OTHERS)
IS_LATER = tl.constexpr(expectation.IS_LATER)
IN_LATER_TURN = tl.constexpr(expectation.IN_LATER_TURN)

LOG_VISIBLE, DISTANCE_OF_OTHERS, LOG_OTHERS, UNIFORM_SHARES = (tl.constexpr(place) for place in range(4))
"""Places among `Expectation.factors`."""
LEAST_REST = tl.constexpr(SINK_LIMIT)


@triton.jit
def needs_turns(kind):  # type: ignore[no-untyped-def]
    """Whether a kind is one of a conversation's, which rows have only where turns were asked for."""
    return (kind >= CROSS_TURN) & (kind < UNMEASURED)


@triton.jit
def row_metric(kind, Rows, Local, plane, row, Factors, Flags, factor, token, real):  # type: ignore[no-untyped-def]
    """The values of one kind (of `SUMMED`) in some rows of one layer, 0 where not defined, and where they are defined.

    Rows lie at `row` (heads, tokens) within each of the layer's statistics `Rows`, and of its shares by distance alone
    `Local`, both `plane` apart. Their tokens lie at `token` (1, tokens) within `Flags` and each of the `Factors`,
    `factor` apart. Rows not `real` (heads, tokens) are not read. float64 and int1, (heads, tokens) each.
    """
    token = tl.broadcast_to(token, row.shape)
    flags = tl.load(Flags + token, mask=real, other=0)
    if needs_turns(kind):
        value, defined = _of_content(kind, Rows, Local, plane, row, Factors, flags, factor, token, real)
    else:
        value, defined = _of_every_row(kind, Rows, plane, row, Factors, flags, factor, token, real)
    return tl.where(defined, value, 0.0), defined


@triton.jit
def _of_every_row(kind, Rows, plane, row, Factors, flags, factor, token, real):  # type: ignore[no-untyped-def]
    defined = real & ((flags & SEES) != 0)
    if kind == DISTANCE:
        value = _statistic(Rows, AT_DISTANCE, plane, row, real)
    elif kind == DISTANCE_SPREAD:
        value = tl.sqrt(tl.maximum(_statistic(Rows, AT_VARIANCE, plane, row, real), 0.0))
    elif kind == ENTROPY:
        value = _statistic(Rows, AT_ENTROPY, plane, row, real)
    elif kind == DISPERSION:
        defined = defined & ((flags & SEES_SEVERAL) != 0)
        value = _statistic(Rows, AT_ENTROPY, plane, row, real) * _factor(Factors, LOG_VISIBLE, factor, token, real)
    elif kind == SINK:
        defined = defined & ((flags & IS_LATER) != 0)
        value = _statistic(Rows, AT_SINK, plane, row, real)
    elif kind == SCAFFOLD:
        value = _statistic(Rows, AT_SCAFFOLD, plane, row, real)
    elif kind == NULL_MASS:
        value = _statistic(Rows, AT_NULL_MASS, plane, row, real)
    else:
        value, defined = _without_sink(kind, Rows, plane, row, Factors, flags, factor, token, real)
    return value, defined


@triton.jit
def _without_sink(kind, Rows, plane, row, Factors, flags, factor, token, real):  # type: ignore[no-untyped-def]
    """Of rows with some mass on other keys than the first; `UNMEASURED` counts those that see such keys without it."""
    sees_others = real & ((flags & SEES_OTHERS) != 0)
    defined = sees_others & (tl.load(Rows + AT_REST * plane + row, mask=real, other=0.0) >= LEAST_REST)
    if kind == UNMEASURED:
        defined = sees_others & (defined == 0)
        value = defined.to(tl.float64)
    elif kind == DISTANCE_WITHOUT_SINK:
        value = _statistic(Rows, AT_DISTANCE_REST, plane, row, real)
    elif kind == ENTROPY_WITHOUT_SINK:
        value = _statistic(Rows, AT_ENTROPY_REST, plane, row, real)
    else:  # interdependency: how far, times how evenly
        defined = defined & ((flags & SEES_SEVERAL_OTHERS) != 0)
        far = _statistic(Rows, AT_DISTANCE_REST, plane, row, real)
        far *= _factor(Factors, DISTANCE_OF_OTHERS, factor, token, real)
        even = _statistic(Rows, AT_ENTROPY_REST, plane, row, real)
        value = far * (even * _factor(Factors, LOG_OTHERS, factor, token, real))
    return value, defined


@triton.jit
def _of_content(kind, Rows, Local, plane, row, Factors, flags, factor, token, real):  # type: ignore[no-untyped-def]
    """Of rows that are content of a later turn than the sequence's first."""
    defined = real & ((flags & IN_LATER_TURN) != 0)
    if kind < UNIFORM:  # shares of the mass on content
        place = tl.where(kind == CROSS_TURN, AT_CROSS_TURN, AT_TURN_STEPS)
        place = tl.where(kind == CROSS_SPEAKER, AT_CROSS_SPEAKER, place)
        place = tl.where(kind == OWN_HISTORY, AT_OWN_HISTORY, place)
        content = _statistic(Rows, AT_CONTENT, plane, row, real)
        defined = defined & (content > 0)
        value = _statistic(Rows, place, plane, row, real) / tl.where(defined, content, 1.0)
    elif kind < LOCAL:
        value = _factor(Factors, UNIFORM_SHARES + (kind - UNIFORM), factor, token, real)
    else:
        value = tl.load(Local + (kind - LOCAL) * plane + row, mask=real, other=-1.0).to(tl.float64)
        defined = defined & (value >= 0)
    return value, defined


@triton.jit
def _statistic(Rows, place, plane, row, real):  # type: ignore[no-untyped-def]
    return tl.load(Rows + place * plane + row, mask=real, other=0.0).to(tl.float64)


@triton.jit
def _factor(Factors, place, factor, token, real):  # type: ignore[no-untyped-def]
    return tl.load(Factors + place * factor + token, mask=real, other=0.0)
