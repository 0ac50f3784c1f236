"""Every kernel gives the oracle's row statistics under every mask, wherever padding is, however rows are blocked."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import assert_equals_dense, assert_same_rows, case, rows_of

from attention.kernels import AttentionCall, RowRequest, RowStatistics, attend, blocked, compiled, dense
from attention.kernels.rows import as_float, flow_of_each

MASKS = ("causal", "bidirectional", "sliding", "local", "holes", "blind")


def compiled_attend(call: AttentionCall, rows: RowStatistics, level: str) -> Any:
    if level not in compiled.builds():
        pytest.skip(f"the compiled kernel for {level} is not built, or does not run on this processor")
    if not call.is_ordinary:
        return attend(call, rows)  # which has to choose another kernel
    return compiled.attend(call, rows, level=level)


KERNELS: dict[str, Any] = {
    "blocked": blocked.attend,
    **{f"compiled-{level}": partial(compiled_attend, level=level) for level in ("avx512", "avx2", "plain")},
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("left", [False, True])
def test_every_mask_on_either_padding_side(kernel: str, kind: str, left: bool) -> None:
    assert_equals_dense(KERNELS[kernel], case(kind=kind, left=left))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "changes",
    [
        {"softcap": 2.0, "strength": 4.0},
        {"sinks": True},
        {"bias": True},
        {"softcap": 3.0, "sinks": True, "bias": True},
        {"shared": 1},
        {"shared": 4},
        {"heads": 6, "shared": 2, "width": 5, "value_width": 3},
        {"turns": 0},
        {"turns": 1},
        {"turns": 40, "lengths": (130, 64)},
        {"lengths": (1,)},
        {"lengths": (2, 1)},
        {"lengths": (301,), "width": 64, "value_width": 64, "heads": 2, "shared": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["causal", "bidirectional"])
def test_every_form_of_attention(kernel: str, kind: str, changes: dict[str, Any]) -> None:
    assert_equals_dense(KERNELS[kernel], case(kind=kind, **changes))


@pytest.mark.parametrize("changes", [{"kind": "holes"}, {"bias": True}], ids=str)
def test_the_compiled_kernel_refuses_masks_with_holes_and_biases(changes: dict[str, Any]) -> None:
    if compiled.best_level() is None:
        pytest.skip("the compiled kernel is not built")
    with pytest.raises(ValueError, match="one run of keys, and no bias"):
        rows_of(compiled.attend, case(**changes))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("strength", [0.0, 1e-3, 30.0, 300.0])
def test_from_uniform_to_one_key_alone(kernel: str, strength: float) -> None:
    """Also where almost all mass is on one key: sums without key 0 are accumulated, not subtracted."""
    assert_equals_dense(KERNELS[kernel], case(strength=strength, lengths=(97, 33), width=16, on_grid=True))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_heavy_sink_leaves_the_rest_exact(kernel: str) -> None:
    given_case = case(lengths=(257,), heads=2, shared=1)
    given_case.key[:, :, 0] = 6.0
    given_case.query[:] = given_case.query.abs()
    assert_equals_dense(KERNELS[kernel], given_case)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_still_get_fp32_statistics(kernel: str, dtype: torch.dtype) -> None:
    """The oracle reads the same rounded queries and keys."""
    assert_equals_dense(KERNELS[kernel], case(dtype=dtype, lengths=(120, 31)))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "request_",
    [RowRequest(), RowRequest(received=True), RowRequest(turns=True), RowRequest(turns=True, flow=True)],
    ids=str,
)
def test_only_what_is_asked_for(kernel: str, request_: RowRequest) -> None:
    assert_equals_dense(KERNELS[kernel], case(), request=request_)


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(MASKS),
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    left=st.booleans(),
    block=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_block_size_changes_nothing(kind: str, lengths: list[int], left: bool, block: int, seed: int) -> None:
    given_case = case(kind=kind, lengths=tuple(lengths), left=left, seed=seed)
    assert_equals_dense(blocked.attend, given_case, block_rows=block)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=10, deadline=None)
@given(lengths=st.permutations([3, 17, 40, 8]), seed=st.integers(0, 1000))
def test_order_in_the_batch_and_padding_side_change_nothing(kernel: str, lengths: list[int], seed: int) -> None:
    right = case(lengths=tuple(lengths), seed=seed)
    left = case(lengths=tuple(lengths), seed=seed, left=True)
    request = RowRequest(received=True)
    _, rows = rows_of(KERNELS[kernel], replace(right, request=request))
    _, mirrored = rows_of(KERNELS[kernel], replace(left, request=request))
    assert_same_rows(rows, mirrored)
    for item, n in enumerate(lengths):
        alone = case(lengths=(n,), seed=seed)
        alone.query[0] = right.query[item, :, :n]
        alone.key[0] = right.key[item, :, :n]
        alone.value[0] = right.value[item, :, :n]
        _, single = rows_of(KERNELS[kernel], replace(alone, request=request))
        np.testing.assert_allclose(single.distance[0], rows.distance[item, :, :n], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(single.entropy[0], rows.entropy[item, :, :n], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_rows_that_see_nothing_are_zero_and_never_nan(kernel: str) -> None:
    given_case = case(kind="blind", lengths=(12,))
    out, rows = rows_of(KERNELS[kernel], replace(given_case, request=RowRequest()))
    blind = [0, 2, 6, 10]
    for values in (rows.distance, rows.entropy, rows.variance, rows.sink, rows.rest, rows.null_mass):
        assert torch.equal(values[0, :, blind], torch.zeros(4, len(blind)))
    assert torch.equal(out[0, blind], torch.zeros_like(out[0, blind]))


def test_the_oracle_gives_uniform_attention_its_known_values() -> None:
    given_case = case(strength=0.0, lengths=(10,), turns=0)
    _, rows = dense.attend(replace(given_case, request=RowRequest(received=True)))
    i = torch.arange(10.0)
    torch.testing.assert_close(rows.distance[0, 0], (i / 2).double())
    torch.testing.assert_close(rows.entropy[0, 0], (i + 1).log().double())
    torch.testing.assert_close(rows.variance[0, 0], (((i + 1) ** 2 - 1) / 12).double())
    torch.testing.assert_close(rows.sink[0, 0], (1 / (i + 1)).double())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_query_that_is_no_number_spoils_its_own_row_alone(kernel: str, poison: float) -> None:
    given_case = replace(case(lengths=(40,), turns=0), request=RowRequest())
    _, clean = rows_of(KERNELS[kernel], given_case)
    given_case.query[0, 1, 17] = poison
    _, rows = rows_of(KERNELS[kernel], given_case)
    assert not torch.isfinite(rows.entropy[0, 1, 17])
    rows.entropy[0, 1, 17] = clean.entropy[0, 1, 17]
    torch.testing.assert_close(rows.entropy, clean.entropy)


@pytest.mark.parametrize("kind", ["causal", "bidirectional"])
def test_hundreds_of_turns_have_the_same_masses_in_every_kernel(kind: str) -> None:
    given_case = case(kind=kind, lengths=(900, 411), heads=2, shared=1, turns=300)
    call = replace(given_case, request=RowRequest(received=True, turns=True, flow=True))
    _, expected = rows_of(blocked.attend, call)
    _, rows = rows_of(attend, call)
    assert_same_rows(rows, expected)
    assert expected.flow is not None
    groups_of_each = call.layout.groups.each
    for flow, groups in zip(flow_of_each(expected.flow, [300, 300]), groups_of_each, strict=True):
        rows_of_turn = np.bincount(groups.query_turn[groups.query_turn >= 0], minlength=300)
        np.testing.assert_allclose(as_float(flow)[0].sum(-1) / 2, rows_of_turn, rtol=1e-5)
