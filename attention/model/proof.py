"""The self-check of a model when it is loaded: its captured rows against its own eager attention weights.

Two short sequences of different lengths are read together through the capture and each alone through eager attention.
Every statistic of every row, the count of attention calls, and the last hidden states must agree; a model for which
they do not is refused by name. The check is of the architecture, so the process keeps its outcome for each
configuration and dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from attention.errors import AttentionFree, FamilyNotProven, ModelRefused
from attention.hook.attention_function import CAPTURE
from attention.hook.batch import Batch
from attention.hook.collector import RowCollector
from attention.hook.forward_pass import run
from attention.kernels import KeyGroups, RowRequest, RowStatistics
from attention.kernels.dense import fill_from_weights
from attention.kernels.rows import EVERY_ROW, as_float
from attention.text.documents import Window

LENGTHS: Final = (48, 17)
"""Tokens of the two sequences. A model with a short sliding window reads a longer one, to go beyond its edge."""
LONGEST: Final = 600
EDGES: Final = ("sliding_window", "local_attention", "attention_chunk_size")
"""Where a configuration says how far a layer sees."""
BEYOND: Final = 8
"""Tokens that are read beyond the edge of a sliding window."""
SHORT_WINDOW: Final = 24
"""Length that a sliding window longer than `LONGEST` has during the check: its mask is the same rule either way."""
WITHOUT_ATTENTION: Final = ("linear_attention", "mamba", "conv", "recurrent", "moe", "mlp")
"""Kinds of layer, in a configuration's `layer_types`, that attend to nothing."""
TOLERANCES: Final = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 8e-2}
"""Relative to the largest value of a statistic. Eager attention itself rounds its weights to the model's dtype."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the check found: the layers that attend, by their index in the network, and how."""

    attending_layers: tuple[int, ...]
    heads: int
    causal: bool


_proofs: dict[str, Proof] = {}


def prove(network: nn.Module, name: str) -> Proof:
    """Check a network in evaluation mode, loaded with the capturing attention; `name` is its name in messages.

    The network's attention implementation is switched for the check and switched back, so it must not be in use.
    Raises AttentionFree or FamilyNotProven with the reason.
    """
    config: Any = network.config
    dtype = next(network.parameters()).dtype
    key = f"{config.to_json_string(use_diff=False)} {dtype}"
    if key not in _proofs:
        with _windows_within_reach(config):
            _proofs[key] = _check(network, f"{name} ({config.model_type})", dtype)
    return _proofs[key]


@contextmanager
def _windows_within_reach(config: Any) -> Iterator[None]:
    """Shorten the sliding windows whose edge the check would not reach, and restore them afterwards."""
    set_back: list[tuple[str, int]] = []
    try:
        for name in EDGES:
            edge = getattr(config, name, None)
            if isinstance(edge, int) and edge + BEYOND > LONGEST:
                set_back.append((name, edge))
                setattr(config, name, SHORT_WINDOW)
        yield
    finally:
        for name, edge in reversed(set_back):  # one setting may be an alias of another
            setattr(config, name, edge)


def attending_layers(config: Any) -> tuple[int, ...]:
    """The layers that should attend, from a network's configuration."""
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return tuple(range(config.num_hidden_layers))
    return tuple(index for index, kind in enumerate(kinds) if kind not in WITHOUT_ATTENTION)


def _check(network: nn.Module, name: str, dtype: torch.dtype) -> Proof:
    config: Any = network.config
    windows = _windows(config)
    expected = attending_layers(config)
    if not expected:
        raise AttentionFree(f"{name} has no attention to measure")
    batch = Batch.of(windows)
    collector = RowCollector(batch.groups, RowRequest(received=True))
    try:
        captured = run(network, batch, collector)
    except ModelRefused:
        raise
    except Exception as error:  # an unknown network's own code may raise anything
        raise FamilyNotProven(f"{name} cannot be measured: its attention fails under capture ({error})") from error
    calls = len(collector.layers)
    if calls != len(expected):
        raise FamilyNotProven(
            f"{name} cannot be measured: {calls} of its {len(expected)} attending layers call the attention interface"
        )
    indices = tuple(expected[call] if layer is None else layer for call, layer in enumerate(collector.layers))
    if indices != expected:
        raise FamilyNotProven(f"{name} cannot be measured: its layers attend in an order that is not its own")
    heads = {rows.distance.shape[1] for rows in collector.rows}
    if len(heads) != 1:
        raise FamilyNotProven(f"{name} cannot be measured: its layers have different numbers of heads")
    for place, window in enumerate(windows):
        hidden, weights = _eager(network, window, name)
        if len(weights) != calls:
            raise FamilyNotProven(f"{name} cannot be measured: eager attention gives {len(weights)} maps, not {calls}")
        _compare(f"{name}: last hidden state", captured[place, : len(window)], hidden, TOLERANCES[dtype])
        for layer, (rows, a) in enumerate(zip(collector.rows, weights, strict=True)):
            _compare_rows(name, layer, rows, place, batch.groups.each[place], a, TOLERANCES[dtype])
    return Proof(expected, heads.pop(), not any(layout.both_ways for layout in collector.layouts()))


def _windows(config: Any) -> list[Window]:
    """Two texts of seeded random tokens."""
    edges = [getattr(config, name, None) for name in EDGES]
    longest = max([LENGTHS[0], *(edge + BEYOND for edge in edges if isinstance(edge, int))])
    longest = min(longest, getattr(config, "max_position_embeddings", longest) - 2)
    rng = np.random.default_rng(0)
    windows = []
    for tokens in (longest, min(LENGTHS[1], longest)):
        nothing = np.full(tokens, -1, np.int32)
        special = np.zeros(tokens, np.bool_)
        special[0] = True
        ids = rng.integers(min(10, config.vocab_size - 1), config.vocab_size, tokens)
        windows.append(Window(ids, nothing, nothing, special, special))
    return windows


def _eager(network: Any, window: Window, name: str) -> tuple[Tensor, list[Tensor]]:
    """Last hidden state (n, d) and every layer's weights (H, n, n) of one sequence under eager attention."""
    ids = torch.from_numpy(window.ids)[None].to(next(network.parameters()).device)
    try:
        network.set_attn_implementation("eager")
        with torch.inference_mode():
            output = network(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True)
    except Exception as error:  # an unknown network's own code may raise anything
        raise FamilyNotProven(f"{name} cannot be checked: it has no eager attention ({error})") from error
    finally:
        network.set_attn_implementation(CAPTURE)
    return output.last_hidden_state[0], [a[0] for a in output.attentions or () if a is not None]


def _compare_rows(
    name: str, layer: int, rows: RowStatistics, item: int, groups: KeyGroups, a: Tensor, tolerance: float
) -> None:
    """One layer's captured rows of one sequence against those of its eager weights `a` (H, n, n)."""
    heads, n = rows.distance.shape[1], len(groups.column)
    if a.shape != (heads, n, n):
        raise FamilyNotProven(f"{name} cannot be checked: eager maps have the shape {tuple(a.shape)}")
    wanted = RowStatistics(
        values=torch.zeros(len(EVERY_ROW), 1, heads, n, dtype=torch.float64, device=a.device),
        received=torch.zeros(1, heads, n, dtype=torch.float64, device=a.device),
    )
    fill_from_weights(wanted, 0, a.double(), groups)
    well = wanted.rest[0] > 0.05  # the others are not compared without the sink, which has nearly all
    for statistic in EVERY_ROW:
        found, expected = getattr(rows, statistic)[item, :, :n].double(), getattr(wanted, statistic)[0]
        if statistic in ("distance_rest", "entropy_rest"):
            found, expected = torch.where(well, found, 0), torch.where(well, expected, 0)
        if statistic == "variance":
            found, expected = found.clamp(min=0).sqrt(), expected.clamp(min=0).sqrt()
        _compare(f"{name}: {statistic} in layer {layer}", found, expected, tolerance)
    assert rows.received is not None
    assert wanted.received is not None
    received = as_float(rows.received)[item, :, :n]
    _compare(f"{name}: received in layer {layer}", received, wanted.received[0], tolerance)


def _compare(what: str, found: Tensor, wanted: Tensor, tolerance: float) -> None:
    wanted = wanted.double()
    error = float((found.double() - wanted).abs().max())
    scale = max(1.0, float(wanted.abs().max()))
    if not error <= tolerance * scale:  # NaN is refused too
        raise FamilyNotProven(
            f"{what} differs from eager attention by {error:.2g} where at most {tolerance * scale:.2g} is rounding"
        )
