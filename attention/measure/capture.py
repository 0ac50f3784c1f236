"""One forward pass in which every attention row is measured as it is computed.

Rows become sums per head inside the layer that made them, so memory is linear in the tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.errors import NotFinite
from attention.hook.collector import Collector
from attention.hook.forward_pass import check_calls, device_of, key_groups, run
from attention.kernels import AttentionCall, KeyGroups, RowRequest, RowStatistics
from attention.measure.layer_states import LayerSums, depth_of, watched
from attention.measure.metrics import Expectation, HeadSums, TurnSums, sum_rows
from attention.model.model import Model
from attention.text.documents import Window


@dataclass(frozen=True, slots=True)
class CaptureOptions:
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


class SumsCollector(Collector):
    """Reduces every layer's rows to sums before the next layer begins.

    `sums` holds (2, K, B, H) for each call, `flows` one (H or 1, T, T + 1) for each sequence, and `token_rows`, where
    `tokens` are asked for, (4, B, N): see `WindowMeasure`. `turn_sums` is given where turns are to have metrics.
    """

    def __init__(
        self,
        spans: Sequence[tuple[int, int]],
        groups: Sequence[KeyGroups],
        request: RowRequest,
        *,
        tokens: bool,
        turn_sums: TurnSums | None,
    ) -> None:
        super().__init__(spans, groups, request)
        self.tokens = tokens
        self.turn_sums = turn_sums
        self.sums: list[Tensor] = []
        self.flows: list[list[Tensor]] = []
        self.token_rows: list[Tensor] = []
        self._expected: dict[int, Expectation] = {}

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        super().take(layer, call, rows)
        expected = self._expectation(call)
        self.sums.append(sum_rows(rows, expected, self.turn_sums))
        if rows.flow is not None:
            self.flows.append(rows.flow)
        if self.tokens and rows.received is not None:
            self.token_rows.append(
                torch.stack([rows.distance.mean(1), rows.entropy.mean(1), *_received(rows, expected)])
            )

    def _expectation(self, call: AttentionCall) -> Expectation:
        """Worked out once for all layers under one mask, whose visible keys are one object that the pass keeps."""
        key = id(call.visible_keys)
        if key not in self._expected:
            tokens, device = call.query.shape[2], call.query.device
            self._expected[key] = Expectation.of(call.visible_keys, call.groups, tokens, device)
        return self._expected[key]


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


def capture(model: Model, windows: Sequence[Window], options: CaptureOptions | None = None) -> list[WindowMeasure]:
    """Measure windows in one padded forward pass; a window's result does not depend on its neighbours.

    Raises CaptureIncomplete where fewer or more layers attended than the model has, FamilyNotProven where the network
    attends in a way that is not measured, and NotFinite where its own arithmetic overflowed.
    """
    options = options or CaptureOptions()
    groups = tuple(key_groups(window) for window in windows)
    turns = any(group.turns for group in groups)
    request = RowRequest(
        received=options.tokens,
        turns=turns,
        flow=turns and options.flow,
        flow_heads=turns and options.flow_heads,
    )
    lengths = [len(window) for window in windows]
    device = device_of(model.network)
    turn_sums = TurnSums(groups, max(lengths), device) if turns and options.turn_metrics else None
    spans = [(0, length) for length in lengths]
    collector = SumsCollector(spans, groups, request, tokens=options.tokens, turn_sums=turn_sums)
    own_tokens = [torch.from_numpy(~np.asarray(window.special)).to(device) for window in windows]
    layer_sums = None
    if options.layer_embeddings:
        last = depth_of(model.network) - 1
        sums_by_layer = LayerSums(model.facts.attending_layers, own_tokens, last)
        with watched(model.network, sums_by_layer.take):
            hidden = run(model.network, windows, collector)
        layer_sums = sums_by_layer.finish(hidden)  # (L, B, d)
    else:
        hidden = run(model.network, windows, collector)
    check_calls(collector, model.facts.layers, model.facts.architecture)
    sums = torch.stack(collector.sums).cpu().numpy()  # (L, 2, K, B, H)
    by_turn = None if turn_sums is None else turn_sums.sequences()
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
        if group.turns and options.turn_embeddings:
            query_turn = torch.from_numpy(group.query_turn).to(hidden.device).long()
            content = query_turn >= 0
            of_turns = states.new_zeros(group.turns, states.shape[1])
            turn_embeddings = of_turns.index_add_(0, query_turn[content], states[content]).cpu().numpy()
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
                turn_sums=None if by_turn is None else by_turn[index],
                token_rows=token_rows,
            )
        )
    return measures
