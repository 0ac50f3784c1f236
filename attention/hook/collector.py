"""What the attention calls of one forward pass report to."""

from collections.abc import Sequence

from attention.hook.masks import read_mask
from attention.kernels import AttentionCall, KeyGroups, RowRequest, RowStatistics, VisibleKeys


class Collector:
    """Counts the attention calls of one pass; what is kept of their rows is for subclasses to say.

    `spans` says where each sequence's real tokens stand in its padded row, [start, stop). `layers` holds, for each call
    so far, the index that its layer gives itself, None where it has none.
    """

    def __init__(self, spans: Sequence[tuple[int, int]], groups: Sequence[KeyGroups], request: RowRequest) -> None:
        self.spans = tuple(spans)
        self.groups = tuple(groups)
        self.request = request
        self.layers: list[int | None] = []
        self._by_mask: dict[int, tuple[object, tuple[VisibleKeys, ...]]] = {}

    def visible_keys(self, mask: object, causal: bool) -> tuple[VisibleKeys, ...]:
        """The keys that each sequence's queries may see under `mask`, read once for all layers that share it."""
        key = id(mask) if mask is not None else int(causal)
        if key not in self._by_mask:
            self._by_mask[key] = (mask, read_mask(mask, causal, self.spans))  # holding the mask keeps its id its own
        return self._by_mask[key][1]

    def every_mask(self) -> list[VisibleKeys]:
        """Every mask met in the pass, as the first sequence's visible keys."""
        return [visible[0] for _, visible in self._by_mask.values()]

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        """Called after each layer's attention; its `visible_keys` are the same object for all layers under one mask."""
        del call, rows
        self.layers.append(layer)


class RowCollector(Collector):
    """Keeps every layer's rows as they are."""

    def __init__(self, spans: Sequence[tuple[int, int]], groups: Sequence[KeyGroups], request: RowRequest) -> None:
        super().__init__(spans, groups, request)
        self.rows: list[RowStatistics] = []

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        super().take(layer, call, rows)
        self.rows.append(rows)
