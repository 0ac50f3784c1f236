"""What rows have under uniform attention, in one launch where every query sees as far as the others."""

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from attention.kernels import Layout
from attention.kernels.fused.launch import launch
from attention.reductions import expectation
from attention.reductions.expectation import Expectation

ROWS: Final = 128
"""Rows that one program takes."""
SEES = tl.constexpr(expectation.SEES)
SEES_OTHERS = tl.constexpr(expectation.SEES_OTHERS)
SEES_SEVERAL = tl.constexpr(expectation.SEES_SEVERAL)
SEES_SEVERAL_OTHERS = tl.constexpr(expectation.SEES_SEVERAL_OTHERS)
IS_LATER = tl.constexpr(expectation.IS_LATER)
IN_LATER_TURN = tl.constexpr(expectation.IN_LATER_TURN)


def expected_of_rows(layout: Layout, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """`factors` (6, B, N), `flags` and `pairs` (B, N) as in `Expectation`, which gives them under any other mask."""
    if layout.reach is None:
        expected = Expectation.of(layout, device)
        return expected.factors, expected.flags, expected.pairs
    return layout.once((__name__, device), lambda: _expected_of_rows(layout, device))


def _expected_of_rows(layout: Layout, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    assert layout.reach is not None
    tables, groups = layout.tables(device), layout.groups
    shape = (groups.sequences, groups.tokens)
    factors = torch.empty(6, *shape, dtype=torch.float64, device=device)
    flags, pairs = torch.empty(2, *shape, dtype=torch.int32, device=device).unbind()
    before, after = (
        groups.tokens if reach is None else min(reach, groups.tokens)
        for reach in (layout.reach.before, layout.reach.after)
    )
    launch(
        _expected, (groups.sequences, triton.cdiv(groups.tokens, ROWS)),
        tables["first"], tables["last"], tables["length"], tables["query_turn"], tables["turn_offset"],
        tables["turn_speaker"] if groups.turns else tables["turn_offset"],
        tables["content_runs"] if groups.turns else tables["turn_offset"], tables["content_offset"],
        factors, flags, pairs, before, after, groups.tokens, groups.sequences * groups.tokens,
        ROWS=ROWS,
    )  # fmt: skip
    return factors, flags, pairs


@triton.jit
def _triangle(m):  # type: ignore[no-untyped-def]
    m = tl.maximum(m, 0).to(tl.int64)
    return m * (m + 1) // 2


@triton.jit(do_not_specialize=["before", "after", "tokens", "plane"])  # type: ignore[untyped-decorator]
def _expected(  # type: ignore[no-untyped-def]
    First, Last, Length, QueryTurn, TurnOffset, TurnSpeaker, Runs, RunOffset, Factors, Flags, Pairs,
    before, after, tokens, plane, ROWS: tl.constexpr,
):  # fmt: skip
    """Some rows of one sequence, whose places are distances too."""
    item = tl.program_id(0)
    i = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    length = tl.load(Length + item)
    inside, real = i < tokens, i < length
    token = item.to(tl.int64) * tokens + i
    first, last = tl.load(First + token, mask=real, other=0), tl.load(Last + token, mask=real, other=0)
    visible = last - first
    first_rest = tl.where(visible > 0, tl.maximum(first, 1), last)
    rest = last - first_rest
    distance = _triangle(i - first_rest) - _triangle(i - last) + _triangle(last - 1 - i) - _triangle(first_rest - 1 - i)
    mean = tl.where(rest > 0, distance.to(tl.float64) / tl.maximum(rest, 1).to(tl.float64), 0.0)
    tl.store(Factors + token, 1.0 / tl.log(tl.maximum(visible, 2).to(tl.float64)), mask=inside)
    tl.store(Factors + plane + token, 1.0 / tl.maximum(mean, 0.5), mask=inside)
    tl.store(Factors + 2 * plane + token, 1.0 / tl.log(tl.maximum(rest, 2).to(tl.float64)), mask=inside)

    own = tl.load(QueryTurn + token, mask=real, other=-1)
    speaker = tl.load(TurnSpeaker + tl.load(TurnOffset + item) + own, mask=own >= 0, other=-1)
    run, past = tl.load(RunOffset + item), tl.load(RunOffset + item + 1)
    first_turn = tl.load(Runs + run * 4 + 2, mask=past > run, other=-1)
    same_turn = tl.zeros([ROWS], tl.int32)
    history = tl.zeros([ROWS], tl.int32)  # on other turns of the row's speaker
    others = tl.zeros([ROWS], tl.int32)  # on other speakers
    for each in range(run, past):
        turn, who = tl.load(Runs + each * 4 + 2), tl.load(Runs + each * 4 + 3)
        seen = tl.minimum(tl.load(Runs + each * 4 + 1), last) - tl.maximum(tl.load(Runs + each * 4), first)
        seen = tl.maximum(seen, 0)
        same_turn += tl.where(own == turn, seen, 0)
        history += tl.where((own != turn) & (speaker == who), seen, 0)
        others += tl.where(speaker != who, seen, 0)
    content = same_turn + history + others
    later = (own >= 0) & (own != first_turn)
    share = tl.where(later & (content > 0), 1.0 / tl.maximum(content, 1).to(tl.float64), 0.0)
    tl.store(Factors + 3 * plane + token, (history + others).to(tl.float64) * share, mask=inside)
    tl.store(Factors + 4 * plane + token, others.to(tl.float64) * share, mask=inside)
    tl.store(Factors + 5 * plane + token, history.to(tl.float64) * share, mask=inside)
    flags = tl.where(visible > 0, SEES, 0) | tl.where(rest > 0, SEES_OTHERS, 0)
    flags = flags | tl.where(visible > 1, SEES_SEVERAL, 0) | tl.where(rest > 1, SEES_SEVERAL_OTHERS, 0)
    flags = flags | tl.where(i > 0, IS_LATER, 0) | tl.where(later, IN_LATER_TURN, 0)
    tl.store(Flags + token, flags, mask=inside)
    pairs = tl.where(i <= before, length - i, 0) + tl.where((i > 0) & (i <= after), length - i, 0)
    tl.store(Pairs + token, tl.maximum(pairs, 0), mask=inside)
