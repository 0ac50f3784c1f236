"""The Triton reductions cost the host a fixed number of launches and never ask the device for a number."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

from reduction_cases import rows_case, talk, text

from attention.kernels import BatchGroups, KeyGroups, Layout, Reach, VisibleKeys
from attention.kernels.visibility import BIDIRECTIONAL, CAUSAL
from attention.reductions import fused
from attention.reductions.expectation import Expectation
from attention.reductions.fused import expectation, row_sums, segments
from attention.reductions.fused import local_shares as local_shares_module
from attention.reductions.fused.expectation import expected_of_rows
from attention.reductions.fused.local_shares import local_shares

META = torch.device("meta")
"""A device whose tensors have no numbers, so that whatever would wait for one fails."""


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels, in the order in which they are launched; none of them runs."""
    names: list[str] = []

    def record(kernel: Any, grid: tuple[int, ...], *args: Any, **constants: Any) -> None:  # noqa: ARG001
        assert min(grid) > 0
        names.append(kernel.fn.__name__)

    for module in (expectation, local_shares_module, row_sums, segments):
        monkeypatch.setattr(module, "launch", record)
    return names


@pytest.mark.parametrize("layers", [1, 12])
@pytest.mark.parametrize("groups", [[talk(60, 6, 2, 1)], [talk(300, 60, 20, seed) for seed in range(16)]], ids=len)
def test_launches_do_not_grow_with_layers_sequences_turns_or_speakers(
    launched: list[str], groups: list[KeyGroups], layers: int
) -> None:
    case = rows_case(groups, layers=layers)
    found = fused.sum_rows(case.to(META), case.layout, of_turns=True)
    assert launched == ["_expected", "_running_means", "_shares", "_head_sums", "_turn_sums"]
    assert found.heads.shape[::3] == (layers, len(groups))
    assert found.turns is not None
    assert found.turns.shape[-1] == sum(group.turns for group in groups)


def test_texts_take_two_launches(launched: list[str]) -> None:
    case = rows_case([text(20), text(30)], turns=False)
    fused.sum_rows(case.to(META), case.layout, of_turns=True)
    assert launched == ["_expected", "_head_sums"]


def test_segments_take_one_launch(launched: list[str]) -> None:
    index = torch.zeros(8, 50, dtype=torch.int32, device=META)
    fused.sum_segments(torch.zeros(8, 50, 32, device=META), index, torch.zeros(40, 3, dtype=torch.int32, device=META))
    assert launched == ["_segment_sums"]


def test_masks_with_holes_have_no_shares_by_distance_here() -> None:
    case = rows_case([talk(20, 4, 2, 1)])
    seen = np.tril(np.ones((20, 20), np.bool_))
    seen[10, 5] = False
    (keys,) = case.layout.visible_keys
    holes = [VisibleKeys(0, keys.first, keys.last, seen)]
    layout = Layout(BatchGroups.of([(0, 20)], case.layout.groups.each, case.layout.groups.tokens), holes)
    with pytest.raises(ValueError, match="one run"):
        local_shares(case.rows, layout)


@pytest.mark.parametrize("reach", [CAUSAL, BIDIRECTIONAL, Reach(5, 0), Reach(4, 4), Reach(6, None)], ids=str)
def test_expectations_in_one_launch_are_those_of_whole_arrays(reach: Reach) -> None:
    groups = [talk(60, 6, 2, 1), text(9), talk(31, 12, 3, 2), text(1)]
    lengths = [len(group.column) for group in groups]
    layout = Layout(BatchGroups.of([(0, length) for length in lengths], groups, max(lengths)), reach)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    factors, flags, pairs = expected_of_rows(layout, device)
    expected = Expectation.of(layout, device)
    real = torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]
    torch.testing.assert_close(factors, expected.factors, rtol=1e-14, atol=0)
    assert torch.equal(flags[real], expected.flags[real])
    assert torch.equal(pairs, expected.pairs)
