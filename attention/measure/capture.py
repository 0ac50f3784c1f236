"""One forward pass in which every attention row is measured as it is computed.

The network runs with its attention function replaced, through transformers' own interface. The function receives the
pass's `Collector` as an unknown keyword that the network hands down: nothing global is switched, and two threads may
run the same network. Rows become sums per head inside the layer that made them, so memory is linear in the tokens.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import causal_mask_function

from attention.errors import CaptureIncomplete, FamilyNotProven, NotFinite
from attention.kernels import KeyGroups, MaskRule, RowRequest, RowStatistics, Sight, attend, dense, visibility
from attention.measure.layer_states import LayerSums, depth_of, watched
from attention.measure.metrics import Expectation, HeadSums, TurnSums, sum_rows
from attention.text.rendering import Window

if TYPE_CHECKING:
    from attention.model.loading import Model

CAPTURE: Final = "hearken"
"""Name of the attention implementation to load a network with."""


@dataclass(frozen=True, slots=True)
class Want:
    """What to keep beyond the metrics."""

    flow: bool = True
    flow_heads: bool = False
    tokens: bool = False
    layer_embeddings: bool = False
    turn_embeddings: bool = True
    turn_metrics: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class WindowMeasure:
    """What one pass found in one window of n tokens with T turns, under L layers of H heads.

    `sums` (K, L, H). `flow` (L, 1 or H, T, T + 1): masses summed over each turn's rows (and heads where not kept
    apart), column 0 scaffold. `turn_sums` (2, K, L, T): see `TurnSums`. `token_rows` (4, L, n): means over heads of
    distance, entropy, received attention and the latter's value under uniform attention. `embedding` (d,): the sum of
    the last hidden state over `own_tokens`, and `turn_embeddings` (T, d), `layer_embeddings` (L, d) likewise sums;
    the last is None as well for a network whose layers cannot be told apart.
    """

    sums: HeadSums
    turn_number: NDArray[np.int32]
    turn_tokens: NDArray[np.int64]
    own_tokens: int
    embedding: NDArray[np.float64]
    turn_embeddings: NDArray[np.float64] | None
    layer_embeddings: NDArray[np.float64] | None
    flow: NDArray[np.float32] | None
    turn_sums: NDArray[np.float64] | None
    token_rows: NDArray[np.float32] | None


def key_groups(window: Window) -> KeyGroups:
    """A window's tokens by group of keys: scaffold, its turns in order, or neither."""
    turn = np.asarray(window.turn)
    turn_number, local = np.unique(turn[turn >= 0], return_inverse=True)
    column = np.where(np.asarray(window.scaffold), 0, -1).astype(np.int32)
    column[turn >= 0] = 1 + local
    speakers = np.zeros(len(turn_number), np.int32)
    speakers[local] = np.asarray(window.speaker)[turn >= 0]
    return KeyGroups(column, turn_number.astype(np.int32), speakers)


@dataclass(slots=True, eq=False)
class Collector:
    """Gathers what the attention calls of one pass find, in the order of the calls."""

    spans: tuple[tuple[int, int], ...]  # where each sequence's real tokens stand
    groups: tuple[KeyGroups, ...]
    request: RowRequest
    tokens: bool = False
    keep_rows: bool = False
    turn_sums: TurnSums | None = None
    weights_of: int | None = None  # the call whose weights are wanted
    layers: list[int | None] = field(default_factory=list)
    sums: list[Tensor] = field(default_factory=list)
    flows: list[list[Tensor]] = field(default_factory=list)
    token_rows: list[Tensor] = field(default_factory=list)
    rows: list[RowStatistics] = field(default_factory=list)
    weights: Tensor | None = None
    _sights: dict[int, tuple[Any, tuple[Sight, ...], Expectation]] = field(default_factory=dict)

    def look(
        self, mask: object, causal: bool, tokens: int, device: torch.device
    ) -> tuple[tuple[Sight, ...], Expectation]:
        """What the queries see under `mask`, worked out once for all layers that share it."""
        key = id(mask) if mask is not None else int(causal)
        if key not in self._sights:
            sights = read_mask(mask, causal, self.spans)
            expected = Expectation.of(sights, self.groups, tokens, device)
            self._sights[key] = (mask, sights, expected)  # holding the mask keeps its id its own
        _, sights, expected = self._sights[key]
        return sights, expected

    def seen(self) -> list[Sight]:
        """Every mask met in the pass, for its first sequence."""
        return [sights[0] for _, sights, _ in self._sights.values()]

    def take(self, layer: int | None, rows: RowStatistics, expected: Expectation) -> None:
        """Reduce one layer's rows."""
        self.layers.append(layer)
        self.sums.append(sum_rows(rows, expected, self.turn_sums))
        if rows.flow is not None:
            self.flows.append(rows.flow)
        if self.tokens and rows.received is not None:
            self.token_rows.append(
                torch.stack([rows.distance.mean(1), rows.entropy.mean(1), *_received(rows, expected)])
            )
        if self.keep_rows:
            self.rows.append(rows)


def _received(rows: RowStatistics, expected: Expectation) -> tuple[Tensor, Tensor]:
    """Received attention of each key, mean over heads, and its value under uniform attention. (B, N) each"""
    assert rows.received is not None
    shape = rows.received.shape
    counts = np.ones((shape[0], shape[2]))
    uniform = np.zeros((shape[0], shape[2]))
    for index, each in enumerate(expected.each):
        n = len(each.seen_by)
        counts[index, :n] = np.maximum(each.seen_by, 1)
        uniform[index, :n] = each.received / counts[index, :n]
    device = rows.received.device
    return (
        (rows.received.double().mean(1) / torch.from_numpy(counts).to(device)).float(),
        torch.from_numpy(uniform).to(device).float(),
    )


def read_mask(mask: object, causal: bool, spans: Sequence[tuple[int, int]]) -> tuple[Sight, ...]:
    """What each query may see under a mask as the network gave it: a rule, a boolean or additive tensor, or nothing."""
    if isinstance(mask, MaskRule):
        return mask.sight(spans)
    if isinstance(mask, Tensor):
        return visibility.from_mask(seen_in(mask), spans)
    return visibility.causal(spans) if causal else visibility.bidirectional(spans)


def seen_in(mask: Tensor) -> Tensor:
    """A mask tensor (B or 1, H or 1, N, N) as booleans that hold for every head."""
    seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    if seen.shape[1] > 1 and not bool((seen == seen[:, :1]).all()):
        raise FamilyNotProven("the model hides different keys from different heads, which is not measured")
    return seen[:, :1]


def _bias_in(mask: Tensor) -> Tensor | None:
    """What an additive mask adds to the visible scores; None where that is nothing."""
    if mask.dtype == torch.bool:
        return None
    bias = torch.where(seen_in(mask), mask, 0.0)
    return bias if bool(bias.any()) else None


def mask_rule(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Any = causal_mask_function,
    attention_mask: Tensor | None = None,
    use_vmap: bool = False,
    device: torch.device | str = "cpu",
    **_: Any,
) -> MaskRule:
    """The mask of a pass, unevaluated; without a registered mask networks drop padding and windows in silence."""
    if q_length != kv_length or int(q_offset) or int(kv_offset):
        raise FamilyNotProven("the model attends to keys from outside the sequence, which is not measured")
    del batch_size
    return MaskRule(mask_function, attention_mask, use_vmap, torch.device(device))


def attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    collector: Collector | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The attention function itself: output (B, N, Hq, Dv); statistics go to the collector."""
    del dropout  # networks are measured in evaluation mode
    batch, _heads, tokens, width = query.shape
    if key.shape[2] != tokens:
        raise FamilyNotProven("the model attends to keys from outside the sequence, which is not measured")
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    if collector is None:  # outside a capture: the right output, nothing kept
        collector = Collector(
            _spans_of(attention_mask, batch, tokens), _no_groups(attention_mask, batch, tokens), RowRequest()
        )
    sights, expected = collector.look(attention_mask, causal, tokens, query.device)
    bias = _bias_in(attention_mask) if isinstance(attention_mask, Tensor) else None
    if position_bias is not None:
        bias = position_bias if bias is None else bias + position_bias
    arguments: dict[str, Any] = {
        "sights": sights,
        "scaling": width**-0.5 if scaling is None else scaling,
        "softcap": softcap,
        "sinks": s_aux,
        "bias": bias,
    }
    if collector.weights_of == len(collector.layers):
        collector.weights = dense.weights(query, key, **arguments, dtype=torch.float32)[0]
    output, rows = attend(query, key, value, groups=collector.groups, request=collector.request, **arguments)
    layer = getattr(module, "layer_idx", None)
    collector.take(layer if isinstance(layer, int) else None, rows, expected)
    return output, None


def _spans_of(mask: object, batch: int, tokens: int) -> tuple[tuple[int, int], ...]:
    padding = mask.padding if isinstance(mask, MaskRule) else None
    if padding is None:
        return ((0, tokens),) * batch
    real = padding.to(torch.int8)
    starts, counts = real.argmax(-1).tolist(), real.sum(-1).tolist()
    return tuple((start, start + count) for start, count in zip(starts, counts, strict=True))


def _no_groups(mask: object, batch: int, tokens: int) -> tuple[KeyGroups, ...]:
    nothing = np.zeros(0, np.int32)
    return tuple(
        KeyGroups(np.full(stop - start, -1, np.int32), nothing, nothing)
        for start, stop in _spans_of(mask, batch, tokens)
    )


AttentionInterface.register(CAPTURE, attention_forward)
AttentionMaskInterface.register(CAPTURE, mask_rule)


def capture(model: "Model", windows: Sequence[Window], want: Want | None = None) -> list[WindowMeasure]:
    """Measure windows in one padded forward pass; a window's result does not depend on its neighbours.

    Raises CaptureIncomplete where fewer or more layers attended than the model has, FamilyNotProven where the network
    attends in a way that is not measured, and NotFinite where its own arithmetic overflowed.
    """
    want = want or Want()
    groups = tuple(key_groups(window) for window in windows)
    turns = any(group.turns for group in groups)
    request = RowRequest(
        received=want.tokens,
        turns=turns,
        flow=turns and want.flow,
        flow_heads=turns and want.flow_heads,
    )
    lengths = [len(window) for window in windows]
    collector = Collector(tuple((0, length) for length in lengths), groups, request, tokens=want.tokens)
    if turns and want.turn_metrics:
        collector.turn_sums = TurnSums(groups, max(lengths), _device_of(model.network))
    own_tokens = [torch.from_numpy(~np.asarray(window.special)).to(_device_of(model.network)) for window in windows]
    layer_sums = None
    if want.layer_embeddings:
        last = depth_of(model.network) - 1
        sums_by_layer = LayerSums(model.facts.attending_layers, own_tokens, last)
        with watched(model.network, sums_by_layer.take):
            hidden = run(model.network, windows, collector)
        layer_sums = sums_by_layer.finish(hidden)  # (L, B, d)
    else:
        hidden = run(model.network, windows, collector)
    check_calls(collector, model.facts.layers, model.facts.architecture)
    sums = torch.stack(collector.sums).cpu().numpy()  # (L, 2, K, B, H)
    turn_sums = None if collector.turn_sums is None else collector.turn_sums.sequences()
    measures = []
    for index, (own, group) in enumerate(zip(own_tokens, groups, strict=True)):
        n = lengths[index]
        states = hidden[index, :n].double()  # (n, d)
        if not (np.isfinite(sums[..., index, :]).all() and bool(torch.isfinite(states).all())):
            raise NotFinite(
                f"the model gives no finite numbers on this text in {model.facts.dtype}; "
                "use a model whose dtype in the models file is bfloat16 or float32"
            )
        turn_embeddings = flow = token_rows = None
        if group.turns and want.turn_embeddings:
            query_turn = torch.from_numpy(group.query_turn).to(hidden.device).long()
            content = query_turn >= 0
            by_turn = states.new_zeros(group.turns, states.shape[1]).index_add_(0, query_turn[content], states[content])
            turn_embeddings = by_turn.cpu().numpy()
        if collector.flows and group.turns:
            flow = torch.stack([layer[index] for layer in collector.flows]).cpu().numpy().astype(np.float32)
        if collector.token_rows:
            token_rows = torch.stack([rows[:, index, :n] for rows in collector.token_rows], 1).cpu().numpy()
        measures.append(
            WindowMeasure(
                sums=HeadSums(sums[:, 0, :, index].swapaxes(0, 1), sums[:, 1, :, index].swapaxes(0, 1)),
                turn_number=group.turn_number,
                turn_tokens=np.bincount(group.query_turn[group.query_turn >= 0], minlength=group.turns),
                own_tokens=int(own.sum()),
                embedding=states[own].sum(0).cpu().numpy(),
                turn_embeddings=turn_embeddings,
                layer_embeddings=None if layer_sums is None else layer_sums[:, index].numpy(),
                flow=flow,
                turn_sums=None if turn_sums is None else turn_sums[index],
                token_rows=token_rows,
            )
        )
    return measures


def _device_of(network: Any) -> torch.device:
    device: torch.device = next(network.parameters()).device
    return device


def run(network: Any, windows: Sequence[Window], collector: Collector) -> Tensor:
    """One forward pass over right-padded windows: the last hidden state (B, N, d)."""
    device = _device_of(network)
    longest = max(len(window) for window in windows)
    padding = getattr(network.config, "pad_token_id", None)
    ids = np.full((len(windows), longest), padding if isinstance(padding, int) and padding >= 0 else 0, np.int64)
    real = np.zeros((len(windows), longest), np.int64)
    for index, window in enumerate(windows):
        ids[index, : len(window)] = window.ids
        real[index, : len(window)] = 1
    options: dict[str, Any] = {"collector": collector}
    if "use_cache" in inspect.signature(network.forward).parameters:
        options["use_cache"] = False
    with torch.inference_mode():
        output = network(
            input_ids=torch.from_numpy(ids).to(device), attention_mask=torch.from_numpy(real).to(device), **options
        )
    hidden: Tensor = output.last_hidden_state
    return hidden


def check_calls(collector: Collector, layers: int, architecture: str) -> None:
    """Refuse a pass in which fewer or more layers attended through the capture than the model has."""
    if len(collector.layers) != layers:
        raise CaptureIncomplete(
            f"{architecture}: {len(collector.layers)} attention calls were measured where {layers} layers attend; "
            "the model cannot be measured exactly"
        )
