"""Every implementation of the reductions gives the sums that the definitions give, whoever else is in the batch."""

from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
import torch
from reduction_cases import MASKS, ReductionCase, expected_sums, rows_case, talks, text

from attention.kernels import KeyGroups
from attention.kernels.compiled import best_level
from attention.reductions.summed import ROW_MEANS, SUMMED, RowSums

IMPLEMENTATIONS = ("fused", "compiled", "plain")
IN_ONE_ORDER = ("fused", "compiled")
"""Those that add up in an order of their own; PyTorch's sums depend on how far a row is padded."""
OF_STATES = ("fused", "plain")
"""Those that sum hidden states too."""
LOCAL = torch.tensor([name.endswith("_local") for name in SUMMED])
"""The kinds whose values are kept in fp32 on their way."""


@pytest.fixture(params=IMPLEMENTATIONS)
def reductions(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "compiled" and best_level() is None:
        pytest.skip("the compiled kernel is not built")
    if request.param == "fused":
        pytest.importorskip(
            "triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError
        )
    return import_module(f"attention.reductions.{request.param}")


@pytest.fixture
def device(reductions: ModuleType) -> torch.device:
    on_gpu = torch.cuda.is_available() and not reductions.__name__.endswith("compiled")
    return torch.device("cuda" if on_gpu else "cpu")


def summed(reductions: ModuleType, case: ReductionCase, device: torch.device) -> RowSums:
    found: RowSums = reductions.sum_rows(case.to(device), case.layout, of_turns=True)
    assert found.turns is not None
    return RowSums(found.heads.cpu(), found.turns.cpu())


def assert_sums(found: RowSums, expected: RowSums) -> None:
    assert found.turns is not None
    assert expected.turns is not None
    assert found.heads.dtype == found.turns.dtype == torch.float64
    torch.testing.assert_close(found.heads[:, :, ~LOCAL], expected.heads[:, :, ~LOCAL], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.heads[:, :, LOCAL], expected.heads[:, :, LOCAL], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.turns, expected.turns, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mask", MASKS)
def test_sums_of_conversations_follow_the_definitions(reductions: ModuleType, device: torch.device, mask: str) -> None:
    groups = talks() if mask in ("causal", "bidirectional") else talks()[1:]  # without the longest
    case = rows_case(groups, mask, layers=2 if mask == "causal" else 1)
    expected = expected_sums(case)
    assert (expected.heads[:, 1].sum((0, 2, 3)) > 0).all()  # every kind is defined somewhere
    assert_sums(summed(reductions, case, device), expected)


def test_more_heads_than_a_program_takes(reductions: ModuleType, device: torch.device) -> None:
    case = rows_case(talks()[2:3], "sliding", layers=1, heads=9)
    assert_sums(summed(reductions, case, device), expected_sums(case))


@pytest.mark.parametrize("groups", [talks()[1:5], (text(30), text(2))], ids=["talk", "text"])
def test_rows_without_turns_statistics_have_no_conversation_metrics(
    reductions: ModuleType, device: torch.device, groups: tuple[KeyGroups, ...]
) -> None:
    case = rows_case(groups, layers=1, turns=False)
    found = summed(reductions, case, device)
    assert_sums(found, expected_sums(case))
    kinds = slice(SUMMED.index("cross_turn"), -1)
    assert found.heads[:, :, kinds].count_nonzero() == 0
    assert found.turns is not None
    assert found.turns.shape == (1, 2, len(ROW_MEANS), case.layout.groups.turns)


def test_turns_are_summed_only_where_asked_for(reductions: ModuleType, device: torch.device) -> None:
    case = rows_case(talks()[4:5], layers=1)
    assert reductions.sum_rows(case.to(device), case.layout, of_turns=False).turns is None


@pytest.mark.parametrize("reductions", IN_ONE_ORDER, indirect=True)
def test_company_and_padding_change_no_byte(reductions: ModuleType, device: torch.device) -> None:
    case = rows_case(talks(), layers=1)
    together = summed(reductions, case, device)
    assert together.turns is not None
    for sequence, padding in ((0, 0), (2, 11), (2, 124)):
        alone = summed(reductions, case.alone(sequence, padding), device)
        assert torch.equal(alone.heads[..., 0, :], together.heads[..., sequence, :])
        begin, end = case.layout.groups.turn_offset[sequence : sequence + 2]
        assert alone.turns is not None
        assert torch.equal(alone.turns, together.turns[..., begin:end])


@pytest.mark.parametrize("reductions", OF_STATES, indirect=True)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_states_are_summed_by_segment(reductions: ModuleType, device: torch.device, dtype: torch.dtype) -> None:
    batch, tokens, width, segments = 3, 70, 70, 11
    draw = np.random.default_rng(5)
    states = torch.from_numpy(draw.normal(size=(batch, width, tokens))).to(dtype).transpose(1, 2)
    states[0, -1] = torch.nan  # belongs to no segment
    index = draw.integers(-1, segments, (batch, tokens)).astype(np.int32)
    index[0, -1] = -1
    first = draw.integers(0, tokens, segments)
    bounds = np.stack([np.arange(segments) % batch, first, draw.integers(first, tokens + 1)], 1).astype(np.int32)
    expected = np.zeros((segments, width))
    for segment, (item, low, high) in enumerate(bounds):
        chosen = np.flatnonzero(index[item, low:high] == segment) + low
        expected[segment] = states[item, chosen].double().numpy().sum(0)
    given = (states.to(device), torch.from_numpy(index).to(device), torch.from_numpy(bounds).to(device))
    found = reductions.sum_segments(*given)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.cpu(), torch.from_numpy(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reductions", OF_STATES, indirect=True)
def test_a_segment_has_the_same_bytes_in_any_batch(reductions: ModuleType, device: torch.device) -> None:
    states = torch.randn(3, 50, 24, generator=torch.Generator().manual_seed(1)).to(device)
    index = torch.zeros(3, 50, dtype=torch.int32, device=device)
    alone = reductions.sum_segments(
        states[2:, 3:40].contiguous(),
        index[2:, 3:40].contiguous(),
        torch.tensor([[0, 2, 37]], dtype=torch.int32).to(device),
    )
    among = reductions.sum_segments(states, index, torch.tensor([[2, 5, 40]], dtype=torch.int32).to(device))
    assert torch.equal(alone, among)


@pytest.mark.parametrize("reductions", OF_STATES, indirect=True)
def test_no_segments_have_no_sums(reductions: ModuleType, device: torch.device) -> None:
    index = torch.zeros(1, 4, dtype=torch.int32, device=device)
    found = reductions.sum_segments(torch.zeros(1, 4, 6, device=device), index, index[:0, :3])
    assert found.shape == (0, 6)
