"""Arithmetic in float32 over weights of half the bits is that of a network whose weights are float32."""

import copy
from typing import Any

import pytest
import torch
from capture_networks import CONFIGURATIONS, VOCABULARY, build
from torch import Tensor

from attention.model.checks.precision import Float32Arithmetic, float32_arithmetic


def last_state(network: Any) -> Tensor:
    ids = torch.arange(5, 45).remainder(VOCABULARY)[None]
    with torch.inference_mode():
        state: Tensor = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return state


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_it_computes_what_a_copy_in_float32_does(family: str, dtype: torch.dtype) -> None:
    network: Any = build(CONFIGURATIONS[family](), "eager").to(dtype)
    wide: Any = copy.deepcopy(network).float()
    wide.config._experts_implementation = "eager"
    before = getattr(network.config, "_experts_implementation", None)
    with float32_arithmetic(network):
        found = last_state(network)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, last_state(wide), rtol=1e-6, atol=1e-6)
    assert last_state(network).dtype == dtype  # and afterwards all is as it was
    assert getattr(network.config, "_experts_implementation", None) == before


def test_a_network_in_float32_is_left_alone() -> None:
    network: Any = build(CONFIGURATIONS["mixtral"](), "eager")
    plain = last_state(network)
    with float32_arithmetic(network):
        torch.testing.assert_close(last_state(network), plain, rtol=0, atol=0)


def test_nothing_is_made_in_less_and_what_is_written_to_stays_itself() -> None:
    kept = torch.ones(3, dtype=torch.bfloat16)
    third = torch.full((3,), 1 / 3)
    with Float32Arithmetic():
        assert torch.zeros(2, dtype=torch.float16).dtype == torch.float32
        assert third.to(torch.bfloat16).equal(third)
        assert third.type_as(kept).equal(third)
        assert torch.softmax(kept, 0, dtype=torch.float32).equal(third)
        assert (kept * third).equal(third)
        assert kept[:2].dtype == torch.bfloat16  # a view has no arithmetic
        kept.mul_(third)
    assert kept.dtype == torch.bfloat16
    assert kept.equal(third.bfloat16())
