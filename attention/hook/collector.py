"""What the attention calls of one forward pass report to."""

from attention.hook.masks import read_mask
from attention.kernels import AttentionCall, BatchGroups, Layout, RowRequest, RowStatistics


class Collector:
    """Counts the attention calls of one pass; what is kept of their rows is for subclasses to say.

    `groups` are the pass's sequences. `layers` holds, for each call so far, the index that its layer gives itself, None
    where it has none.
    """

    def __init__(self, groups: BatchGroups, request: RowRequest) -> None:
        self.groups = groups
        self.request = request
        self.layers: list[int | None] = []
        self._by_mask: dict[int, tuple[object, Layout]] = {}

    def layout(self, mask: object, causal: bool) -> Layout:
        """The pass's sequences under `mask`, read once for all layers that share it."""
        key = id(mask) if mask is not None else int(causal)
        if key not in self._by_mask:
            read = read_mask(mask, causal, self.groups)
            self._by_mask[key] = (mask, Layout(self.groups, read))  # holding the mask keeps its id its own
        return self._by_mask[key][1]

    def layouts(self) -> list[Layout]:
        """The pass's sequences under every mask met so far."""
        return [layout for _, layout in self._by_mask.values()]

    def rows_for(self, call: AttentionCall) -> RowStatistics:
        """Where the rows of the call that comes next go, all zero."""
        return call.empty_rows()

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        """Called after each layer's attention, with the rows that `rows_for` gave, now filled."""
        del call, rows
        self.layers.append(layer)


class RowCollector(Collector):
    """Keeps every layer's rows as they are."""

    def __init__(self, groups: BatchGroups, request: RowRequest) -> None:
        super().__init__(groups, request)
        self.rows: list[RowStatistics] = []

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        super().take(layer, call, rows)
        self.rows.append(rows)
