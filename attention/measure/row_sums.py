"""The collector of a capture: keeps the rows of as many layers as fit, and makes sums of them."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from attention.hook.collector import Collector
from attention.kernels import AttentionCall, BatchGroups, LayersOfRows, Layout, RowRequest, RowStatistics
from attention.kernels.rows import PLACES, as_float, bytes_of_a_layer
from attention.kernels.transfer import on
from attention.reductions.expectation import Expectation
from attention.reductions.reduce import sum_rows

KEPT_BYTES: Final = 2 << 30
"""Rows that are kept on a device before sums are made of them: of all layers at once where they fit. On a CPU, where
starting costs nothing, it is one layer, whose rows are still in the cache."""


@dataclass(slots=True, eq=False)
class _Kept:
    """Rows of layers under one mask that no sums are made of yet, with the place of each layer in the pass."""

    layout: Layout
    rows: LayersOfRows
    places: list[int] = field(default_factory=list)


class SumsCollector(Collector):
    """Makes sums of every layer's rows: see `sums`. `layers_in_all` is how many layers are going to call."""

    def __init__(
        self, groups: BatchGroups, request: RowRequest, *, layers_in_all: int, of_turns: bool, tokens: bool
    ) -> None:
        super().__init__(groups, request)
        self._layers_in_all = layers_in_all
        self._of_turns = of_turns
        self._tokens = tokens
        self._kept: dict[tuple[int, torch.device], _Kept] = {}
        self._order: list[int] = []
        self._found: list[dict[str, Tensor]] = []

    def rows_for(self, call: AttentionCall) -> RowStatistics:
        place = id(call.layout), call.query.device
        kept = self._kept.get(place)
        if kept is None:
            kept = self._kept[place] = _Kept(call.layout, call.empty_layers(self._layers_at_once(call)))
        return kept.rows.layer(len(kept.places))

    def _layers_at_once(self, call: AttentionCall) -> int:
        if call.query.device.type == "cpu":
            return 1
        fit = KEPT_BYTES // max(1, bytes_of_a_layer(call.shape, self.request))
        return max(1, min(fit, self._layers_in_all - len(self.layers)))

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        kept = self._kept[id(call.layout), call.query.device]
        kept.places.append(len(self.layers))
        super().take(layer, call, rows)
        if len(kept.places) == kept.rows.layers:
            self._reduce(kept)

    def _reduce(self, kept: _Kept) -> None:
        rows = kept.rows.first(len(kept.places))
        sums = sum_rows(rows, kept.layout, of_turns=self._of_turns)
        found = {"heads": sums.heads}
        if sums.turns is not None:
            found["turns"] = sums.turns
        if rows.flow is not None:
            found["flow"] = as_float(rows.flow).float()
        if self._tokens:
            found["tokens"] = _token_rows(rows, kept.layout)
        self._found.append(found)
        self._order += kept.places
        kept.places = []
        if len(self.layers) < self._layers_in_all:
            rows.clear()

    def sums(self, device: torch.device) -> dict[str, Tensor]:
        """What was found in all layers, in the order of their calls, on one device; called once, after the pass.

        `heads` (L, 2, K, B, H) and `turns` (L, 2, M, S) as in `RowSums`; `flow` (L, F) fp32, all sequences' (H or 1,
        T, T + 1) one after the other; `tokens` (L, 4, B, N) fp32: means over heads of distance, entropy and received
        attention, and the latter's value under uniform attention.
        """
        for kept in self._kept.values():
            if kept.places:
                self._reduce(kept)
        self._kept.clear()
        joined = {
            name: torch.cat([found[name].to(device) for found in self._found]) if len(self._found) > 1 else first
            for name, first in self._found[0].items()
        }
        if self._order == sorted(self._order):
            return joined
        order = on(np.argsort(self._order), joined["heads"].device)
        return {name: values.index_select(0, order) for name, values in joined.items()}


def _token_rows(rows: LayersOfRows, layout: Layout) -> Tensor:
    """Each token's values in G layers, means over heads: (G, 4, B, N), fp32."""
    assert rows.received is not None
    expected = Expectation.of(layout, rows.values.device)
    seen_by = expected.seen_by.clamp(min=1)  # (B, N)
    received = as_float(rows.received).mean(2) / seen_by  # (G, B, N)
    uniform = (expected.received / seen_by).expand_as(received)
    distance, entropy = (rows.values.select(1, PLACES[name]).mean(2) for name in ("distance", "entropy"))
    return torch.stack([distance, entropy, received.float(), uniform.float()], 1)
