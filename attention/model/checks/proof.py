"""The self-check of a model when it is loaded: its captured rows against its own eager attention weights.

Two short sequences of different lengths are read through the capture, together, alone, and alone with padding behind
them, and each alone through eager attention. Every statistic of every row, the count of attention calls, and the last
hidden states must agree; a model for which they do not is refused by name. What the network chooses in the eager pass
it chooses in the others (`choices.py`). Windows and chunks of attention that are longer than the sequences are
shortened meanwhile, so that their edges are met.

All this is computed in float32, whatever the weights are kept in (`precision.py`). In the precision that the model is
measured in, the first layer that attends must agree as well: those behind it also differ by what rounding before them
did. The check is of the architecture, so the process keeps its outcome for each configuration, dtype and kind of
device; `kept_proof.py` keeps it from one process to the next.
"""

from __future__ import annotations

import re
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
from attention.hook.forward_pass import device_of, run
from attention.kernels import AttentionCall, BatchGroups, KeyGroups, RowRequest, RowStatistics
from attention.kernels.dense import fill_from_weights
from attention.kernels.rows import EVERY_ROW, as_float
from attention.model.checks.choices import remembered, repeated
from attention.model.checks.precision import float32_arithmetic
from attention.text.documents import Window

LENGTHS: Final = (48, 17)
"""Tokens of the two sequences. Where a window of attention has its edge beyond the first, that one is longer."""
HYBRID: Final = 300
"""Tokens of the longer sequence where some layers are recurrent: more than one of the chunks that they compute in."""
LONGEST: Final = 600
EDGES: Final = (
    "sliding_window",
    "sliding_window_size",
    "local_attention",
    "local_attention_window_len",
    "attention_chunk_size",
    "keep_window_size",
)
"""Where a configuration, or a layer, says how far a query sees."""
OTHER_EDGES: Final = re.compile(r"window|attention_chunk|local_attention|attention_block")
"""What a setting may be called that limits how far a query sees, and that this check does not know."""
NO_EDGES: Final = re.compile(r"max_window_layers|.*_(?:pattern|layers)|.*chunk_size_feed_forward")
BEYOND: Final = 8
"""Tokens that are read beyond the edge of a sliding window."""
SHORT_WINDOW: Final = 24
"""Length that a window longer than `LONGEST` has during the check: its mask is the same rule either way."""
PADDING: Final = 5
"""Tokens of padding behind a sequence that is read alone."""
OWN_CODE: Final = "{} computes attention in code of its own that cannot be measured"
WITHOUT_ATTENTION: Final = ("linear_attention", "mamba", "conv", "recurrent", "moe", "mlp")
"""Kinds of layer, in a configuration's `layer_types`, that attend to nothing."""
EXACT: Final = 3e-4
"""What float32 may differ by, relative to the largest value of a statistic: a score of tens of nats is rounded by
millionths, and layers behind it see sharper ones. A scaling that is off by 1% makes a difference of a hundredth."""
ROUNDED: Final = {torch.float16: 2e-2, torch.bfloat16: 8e-2}
"""The same of a first layer in less precision. Eager attention itself rounds its weights to the model's dtype."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the check found: the layers that attend, by their index in the network, and how.

    `key_value_heads` has one number where it is the same in every layer. `head_size` is the largest width of a head's
    query or value, `hidden_size` that of the last state.
    """

    attending_layers: tuple[int, ...]
    heads: int
    causal: bool
    key_value_heads: tuple[int, ...]
    head_size: int
    hidden_size: int


_proofs: dict[str, Proof] = {}


def prove(network: nn.Module, name: str) -> Proof:
    """Check a network in evaluation mode, loaded with the capturing attention; `name` is its name in messages.

    The network's attention implementation is switched for the check and switched back, so it must not be in use.
    Raises AttentionFree or FamilyNotProven with the reason.
    """
    config: Any = network.config
    dtype = next(network.parameters()).dtype
    key = f"{config.to_json_string(use_diff=False)} {dtype} {device_of(network).type}"
    if key not in _proofs:
        title = f"{name} ({config.model_type})"
        _refuse_unknown_edges(config, title)
        with _windows_within_reach(network):
            with float32_arithmetic(network):
                found = _check(network, title)
            if dtype in ROUNDED:
                _check_first_layer(network, title, ROUNDED[dtype])
        _proofs[key] = found
    return _proofs[key]


def _refuse_unknown_edges(config: Any, name: str) -> None:
    for setting, edge in config.to_dict().items():
        unknown = setting not in EDGES and OTHER_EDGES.search(setting) and not NO_EDGES.fullmatch(setting)
        if unknown and isinstance(edge, int) and not isinstance(edge, bool) and edge > 0:
            raise FamilyNotProven(
                f"{name} cannot be measured: it limits how far a query sees in a way that is not known ({setting})"
            )


@contextmanager
def _windows_within_reach(network: nn.Module) -> Iterator[None]:
    """Shorten the windows whose edge the check would not reach, and restore them afterwards."""
    set_back: list[tuple[Any, str, int]] = []
    try:
        for holder in (network.config, *network.modules()):
            for name in EDGES:
                edge = getattr(holder, name, None)
                if isinstance(edge, int) and edge + BEYOND > LONGEST:
                    set_back.append((holder, name, edge))
                    setattr(holder, name, SHORT_WINDOW)
        yield
    finally:
        for holder, name, edge in reversed(set_back):  # one setting may be an alias of another
            setattr(holder, name, edge)


def attending_layers(config: Any) -> tuple[int, ...]:
    """The layers that should attend, from a network's configuration."""
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return tuple(range(config.num_hidden_layers))
    return tuple(index for index, kind in enumerate(kinds) if kind not in WITHOUT_ATTENTION)


def _check(network: nn.Module, name: str) -> Proof:
    config: Any = network.config
    expected = attending_layers(config)
    if not expected:
        raise AttentionFree(f"{name} has no attention to measure")
    windows = _windows(config, hybrid=len(expected) < config.num_hidden_layers)
    batch = Batch.of(windows)
    _refuse_other_calls(network, batch, expected, name)
    plain = []
    for window in windows:
        with remembered() as chosen:
            hidden, weights = _eager(network, window, name)
        if len(weights) != len(expected):
            raise FamilyNotProven(
                f"{name} cannot be measured: eager attention gives {len(weights)} maps, not {len(expected)}"
            )
        plain.append((hidden, weights, chosen))
    with repeated([chosen for *_, chosen in plain]):
        captured, collector = _captured(network, batch, name)
    for place, (window, (hidden, weights, chosen)) in enumerate(zip(windows, plain, strict=True)):
        _compare(f"{name}: last hidden state", captured[place, : len(window)], hidden, EXACT)
        for layer, (rows, a) in enumerate(zip(collector.rows, weights, strict=True)):
            _compare_rows(name, layer, rows, place, batch.groups.each[place], a, EXACT)
        for tokens in (len(window), len(window) + PADDING):
            with repeated([chosen]):
                alone, _ = _captured(network, Batch.of([window], tokens=tokens), name)
            _compare(f"{name}: last hidden state of a text alone", alone[0, : len(window)], hidden, EXACT)
    return Proof(
        attending_layers=expected,
        heads=collector.rows[0].distance.shape[1],
        causal=not any(layout.both_ways for layout in collector.layouts()),
        key_value_heads=tuple(sorted(collector.key_value_heads)),
        head_size=collector.head_size,
        hidden_size=captured.shape[-1],
    )


def _refuse_other_calls(network: nn.Module, batch: Batch, expected: tuple[int, ...], name: str) -> None:
    """Refuse a network whose attending layers do not each call the attention function once, in their order."""
    _, collector = _captured(network, batch, name)
    calls = len(collector.layers)
    if not calls:
        raise FamilyNotProven(OWN_CODE.format(name))
    if calls != len(expected):
        raise FamilyNotProven(
            f"{name} cannot be measured: {calls} of its {len(expected)} attending layers call the attention interface"
        )
    indices = tuple(expected[call] if layer is None else layer for call, layer in enumerate(collector.layers))
    if indices != expected:
        raise FamilyNotProven(f"{name} cannot be measured: its layers attend in an order that is not its own")
    if len({rows.distance.shape[1] for rows in collector.rows}) != 1:
        raise FamilyNotProven(f"{name} cannot be measured: its layers have different numbers of heads")


def _check_first_layer(network: nn.Module, name: str, tolerance: float) -> None:
    """Hold the first attending layer's rows, as captured in the network's own precision, to its eager weights."""
    windows = _windows(network.config, hybrid=False)
    batch = Batch.of(windows)
    _, collector = _captured(network, batch, name)
    for place, window in enumerate(windows):
        _hidden, weights = _eager(network, window, name)
        _compare_rows(name, 0, collector.rows[0], place, batch.groups.each[place], weights[0], tolerance)


class _ProofCollector(RowCollector):
    """Keeps every layer's rows, how many key heads the layers have, and how wide their heads are."""

    def __init__(self, groups: BatchGroups) -> None:
        super().__init__(groups, RowRequest(received=True))
        self.key_value_heads: set[int] = set()
        self.head_size = 0

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        super().take(layer, call, rows)
        self.key_value_heads.add(call.key.shape[1])
        self.head_size = max(self.head_size, call.query.shape[-1], call.value.shape[-1])


def _captured(network: nn.Module, batch: Batch, name: str) -> tuple[Tensor, _ProofCollector]:
    """Last hidden states (B, N, d) and rows of a pass through the capture."""
    collector = _ProofCollector(batch.groups)
    try:
        return run(network, batch, collector), collector
    except Exception as error:  # an unknown network's own code may raise anything
        by_interface = getattr(type(network), "_supports_attention_backend", False)
        if not collector.layers and not by_interface:
            raise FamilyNotProven(OWN_CODE.format(name)) from error
        if isinstance(error, ModelRefused):
            raise FamilyNotProven(f"{name} cannot be measured: {error}") from error
        raise FamilyNotProven(f"{name} cannot be measured: its attention fails under capture ({error})") from error


def _windows(config: Any, *, hybrid: bool) -> list[Window]:
    """Two texts of seeded random tokens."""
    edges = [getattr(config, name, None) for name in EDGES]
    longest = max([HYBRID if hybrid else LENGTHS[0], *(edge + BEYOND for edge in edges if isinstance(edge, int))])
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
    ids = torch.from_numpy(window.ids)[None].to(device_of(network))
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
