"""Documents in, measurements out: passes within a token budget, and windows combined into their documents."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.errors import DocumentRefused, EmptyDocument, TokenUnknown, TooMuchToShow
from attention.hook.batch import Batch
from attention.hook.collector import Collector
from attention.hook.forward_pass import check_calls, run
from attention.kernels import AttentionCall, BatchGroups, RowRequest, RowStatistics, dense
from attention.measure.batches import passes
from attention.measure.capture import CaptureOptions, PassMeasures, PendingPass, WindowMeasure, begin
from attention.measure.metrics import Folded, fold_all, fold_turns
from attention.model.model import Model
from attention.text.documents import Rendered, Window
from attention.text.tokens import surface

WEIGHTS_TOKENS = 1024
"""Longest window, in tokens, of which attention weights are given."""


@dataclass(frozen=True, slots=True, eq=False)
class TokensDetail:
    """What each token of a document attends to and receives, in the order of reading, over L layers and N tokens.

    `received` is the mean attention a token gets from the queries that can see it, `received_lift` that over its value
    under uniform attention. Values by layer are means over heads.
    """

    window: NDArray[np.int32]  # (N,) the window it was read in
    id: NDArray[np.int64]  # (N,) token id
    turn: NDArray[np.int32]  # (N,) -1 for no turn's content
    scaffold: NDArray[np.bool_]  # (N,)
    distance: NDArray[np.float32]  # (L, N) tokens
    entropy: NDArray[np.float32]  # (L, N) nats
    received: NDArray[np.float32]  # (L, N)
    received_lift: NDArray[np.float32]  # (L, N)


@dataclass(slots=True, eq=False)
class Measurement:
    """One document under one model; NaN is undefined.

    `heads` (L, H), `layers` (L,) and `document` have every metric by name. `embedding` (d,) is NaN where a document
    has special tokens only. `flow` (L, T, T + 1) and `flow_heads` (L, H, T, T + 1) have column 0 for scaffold; entries
    are NaN where no window holds both turns. `turn_tokens` (T,) counts the content tokens that were read of each
    turn, `turn_speakers` (T,) are their speakers (-1 where none was read), and `turn_metrics` (T,) each are the means
    over those rows, heads and layers. `left_out_rows` counts, over all layers and heads, the rows that the metrics
    without the sink leave out, because the first key has all but 1e-6 of their mass. `forward_ms` is the document's
    share, by tokens, of its passes' time. `first_layers` and `first_document` are the metrics of the document's `first`
    window by itself, where it has one; of the other fields only `forward_ms` includes that window.
    """

    tokens: int
    turns: int | None
    speakers: tuple[str, ...]
    windows: int
    truncated: bool
    heads: dict[str, NDArray[np.float64]]
    layers: dict[str, NDArray[np.float64]]
    document: dict[str, float]
    embedding: NDArray[np.float32]
    turn_embeddings: NDArray[np.float32] | None
    layer_embeddings: NDArray[np.float32] | None
    flow: NDArray[np.float32] | None
    flow_heads: NDArray[np.float32] | None
    turn_tokens: NDArray[np.int64] | None
    turn_speakers: NDArray[np.int32] | None
    turn_metrics: dict[str, NDArray[np.float64]] | None
    tokens_detail: TokensDetail | None
    forward_ms: float
    left_out_rows: int
    first_layers: dict[str, NDArray[np.float64]] | None
    first_document: dict[str, float] | None


def analyse(
    model: Model,
    documents: Sequence[Rendered],
    *,
    token_budget: int,
    options: CaptureOptions | None = None,
    between_passes: Callable[[], None] | None = None,
) -> list[Measurement]:
    """Measure documents together, windows of similar length in one pass of at most `token_budget` padded tokens.

    `between_passes` is called before every pass but the first; what it raises ends the work. A document's result does
    not depend on the others. Raises EmptyDocument for a document without tokens, TokenUnknown for one with a token
    that the model has no embedding for, and what `capture` raises.
    """
    return measure_passes(
        model, documents, token_budget=token_budget, options=options, between_passes=between_passes
    ).measurements()


def measure_passes(
    model: Model,
    documents: Sequence[Rendered],
    *,
    token_budget: int,
    options: CaptureOptions | None = None,
    between_passes: Callable[[], None] | None = None,
) -> "FoundPasses":
    """As `analyse`, with what was found still to be made into measurements."""
    plan = _Plan(model, documents, token_budget, options)
    for number in range(len(plan.passes)):
        if number and between_passes is not None:
            between_passes()
        plan.begin(number)
        plan.finish(number)
    return plan.found()


def begin_analysis(
    model: Model, documents: Sequence[Rendered], *, token_budget: int, options: CaptureOptions | None = None
) -> "PendingAnalysis":
    """Queue every pass over the documents on the device, without waiting for it; raises what `analyse` raises."""
    plan = _Plan(model, documents, token_budget, options)
    for number in range(len(plan.passes)):
        plan.begin(number)
    return PendingAnalysis(plan)


@dataclass(frozen=True, slots=True, eq=False)
class FoundPasses:
    """What the passes over some documents found, to be made into measurements, here or in another process.

    `passes` has the windows of each pass, counted over all documents' windows, and `milliseconds` what each pass took.
    """

    documents: Sequence[Rendered]
    options: CaptureOptions
    passes: Sequence[Sequence[int]]
    measures: Sequence[PassMeasures]
    milliseconds: Sequence[float]

    def measurements(self, places: Sequence[int] | None = None) -> list[Measurement]:
        """The measurement of each document, in their order, or of those at the given places."""
        owner = [place for place, document in enumerate(self.documents) for _ in document.all_windows]
        windows = [window for document in self.documents for window in document.all_windows]
        by_window: dict[int, WindowMeasure] = {}
        spent = [0.0] * len(self.documents)
        for indices, measures, milliseconds in zip(self.passes, self.measures, self.milliseconds, strict=True):
            by_window.update(zip(indices, measures, strict=True))
            each = milliseconds / sum(len(windows[index]) for index in indices)
            for index in indices:
                spent[owner[index]] += each * len(windows[index])
        found: list[list[WindowMeasure]] = [[] for _ in self.documents]
        for index, place in enumerate(owner):
            found[place].append(by_window[index])
        chosen = range(len(self.documents)) if places is None else places
        return _folded(
            [self.documents[place] for place in chosen],
            [found[place] for place in chosen],
            [spent[place] for place in chosen],
            self.options,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PendingAnalysis:
    """Passes that are queued on the device."""

    plan: "_Plan"

    def finish(self, not_before: float = 0.0) -> FoundPasses:
        """Wait for the device and give what was found; raises what `PendingPass.finish` raises.

        The first pass's time begins at `not_before` (of `time.perf_counter`) where that is after it was queued: when
        the device had ended what it was given before.
        """
        for number in range(len(self.plan.passes)):
            self.plan.finish(number, not_before)
            not_before = time.perf_counter()
        return self.plan.found()


class _Plan:
    """Some documents' windows as passes, each of which is begun and then finished."""

    def __init__(
        self, model: Model, documents: Sequence[Rendered], token_budget: int, options: CaptureOptions | None
    ) -> None:
        self._model = model
        self._documents = documents
        self._options = options or CaptureOptions()
        for document in documents:
            if not document.windows or any(len(window) == 0 for window in document.all_windows):
                raise EmptyDocument("the document has no tokens; send some text")
        self._windows = [window for document in documents for window in document.all_windows]
        for window in self._windows:
            _check_tokens(model, window)
        self.passes = passes([len(window) for window in self._windows], token_budget)
        self._begun: dict[int, tuple[float, PendingPass]] = {}
        self._found: list[PassMeasures] = []
        self._milliseconds: list[float] = []

    def begin(self, number: int) -> None:
        """Queue a pass."""
        windows = [self._windows[index] for index in self.passes[number]]
        begun = time.perf_counter()
        self._begun[number] = begun, begin(self._model, windows, self._options)

    def finish(self, number: int, not_before: float = 0.0) -> None:
        """Wait for a pass; they are finished in their order."""
        begun, pending = self._begun.pop(number)
        self._found.append(pending.finish())
        self._milliseconds.append((time.perf_counter() - max(begun, not_before)) * 1000)

    def found(self) -> FoundPasses:
        """What the passes found, once all are finished."""
        return FoundPasses(self._documents, self._options, self.passes, self._found, self._milliseconds)


def _check_tokens(model: Model, window: Window) -> None:
    """A token without an embedding would fail the pass, and its neighbours with it."""
    beyond = window.ids[window.ids >= model.facts.vocabulary]
    if len(beyond):
        name = surface(model.tokenizer, beyond[:1])[0]
        raise TokenUnknown(
            f"the document has the token {name!r}, which the model {model.source.id} has no embedding for; leave it "
            "out, or use another model"
        )


def _folded(
    documents: Sequence[Rendered],
    found: Sequence[Sequence[WindowMeasure]],
    spent: Sequence[float],
    options: CaptureOptions,
) -> list[Measurement]:
    """Combine what was found in the windows of each document, where that of a `first` window comes last."""
    windows = [measures[: len(document.windows)] for document, measures in zip(documents, found, strict=True)]
    first = {
        place: measures[-1:]
        for place, (document, measures) in enumerate(zip(documents, found, strict=True))
        if document.first is not None
    }
    turns = [document.turns is not None for document in documents]
    folded = fold_all([[each.sums for each in measures] for measures in windows], turns)
    alone = fold_all([[each.sums for each in first[place]] for place in first], [turns[place] for place in first])
    of_first = dict(zip(first, alone, strict=True))
    return [
        _document(document, windows[place], folded[place], of_first.get(place), spent[place], options)
        for place, document in enumerate(documents)
    ]


def _document(
    document: Rendered,
    windows: Sequence[WindowMeasure],
    folded: Folded,
    alone: Folded | None,
    milliseconds: float,
    options: CaptureOptions,
) -> Measurement:
    """A document's numbers from its windows, their folded metrics, and those of its `first` window alone."""
    own = sum(window.own_tokens for window in windows)
    embedding = _mean(np.sum([window.embedding for window in windows], axis=0), own)
    by_layer = [window.layer_embeddings for window in windows if window.layer_embeddings is not None]
    layer_embeddings = _mean(np.sum(by_layer, axis=0), own) if by_layer else None
    flow = flow_heads = turn_embeddings = turn_tokens = turn_speakers = turn_metrics = None
    if document.turns is not None:
        turn_tokens = np.zeros(document.turns, np.int64)
        for measure in windows:
            turn_tokens[measure.turn_number] += measure.turn_tokens
        turn_speakers = np.full(document.turns, -1, np.int32)
        for window in document.windows:
            turn_speakers[window.turn[window.turn >= 0]] = window.speaker[window.turn >= 0]
        if options.turn_metrics:
            sums = [(each.turn_number, each.turn_sums) for each in windows if each.turn_sums is not None]
            turn_metrics = fold_turns(sums, document.turns)
        if options.turn_embeddings:
            turn_embeddings = _turn_embeddings(windows, document.turns, embedding.shape[0])
        if options.flow or options.flow_heads:
            heads = folded.heads["distance"].shape[1]
            by_head = _flow(windows, document.turns, heads if options.flow_heads else 1)
            if options.flow_heads:
                flow_heads, flow = by_head, by_head.mean(axis=1)
            else:
                flow = by_head[:, 0] / heads
    return Measurement(
        tokens=document.tokens,
        turns=document.turns,
        speakers=document.speakers,
        windows=len(document.windows),
        truncated=document.truncated,
        heads=folded.heads,
        layers=folded.layers,
        document=folded.document,
        embedding=embedding,
        turn_embeddings=turn_embeddings,
        layer_embeddings=layer_embeddings,
        flow=flow,
        flow_heads=flow_heads,
        turn_tokens=turn_tokens,
        turn_speakers=turn_speakers,
        turn_metrics=turn_metrics,
        tokens_detail=_tokens_detail(document, windows) if options.tokens else None,
        forward_ms=milliseconds,
        left_out_rows=folded.left_out_rows,
        first_layers=None if alone is None else alone.layers,
        first_document=None if alone is None else alone.document,
    )


def _mean(total: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    return np.asarray(total / count if count else np.full(total.shape, np.nan), np.float32)


def _turn_embeddings(windows: Sequence[WindowMeasure], turns: int, width: int) -> NDArray[np.float32]:
    """Mean last hidden state of each turn's tokens, over all windows that hold some of them. (T, d)"""
    total = np.zeros((turns, width))
    count = np.zeros(turns)
    for window in windows:
        if window.turn_embeddings is not None:
            total[window.turn_number] += window.turn_embeddings
            count[window.turn_number] += window.turn_tokens
    mean = np.divide(total, count[:, None], out=np.full(total.shape, np.nan), where=count[:, None] > 0)
    return np.asarray(mean, np.float32)


def _flow(windows: Sequence[WindowMeasure], turns: int, depth: int) -> NDArray[np.float32]:
    """Mean masses of each turn's content tokens on scaffold and on each turn. (L, depth, T, T + 1)"""
    only = windows[0].flow
    if len(windows) == 1 and only is not None and only.shape[2] == turns:
        return only / np.maximum(windows[0].turn_tokens, 1).astype(np.float32)[:, None]
    layers = windows[0].sums.total.shape[1]
    total = np.zeros((layers, depth, turns, turns + 1), np.float32)
    met = np.zeros((turns, turns + 1), np.bool_)
    count = np.zeros(turns, np.float32)
    for window in windows:
        if window.flow is None:
            continue
        columns = np.concatenate([[0], window.turn_number + 1])
        place = np.ix_(window.turn_number, columns)
        total[:, :, place[0], place[1]] += window.flow
        met[place] = True
        count[window.turn_number] += window.turn_tokens
    total /= np.maximum(count, 1)[:, None]
    total[:, :, ~met] = np.nan
    return total


def _tokens_detail(document: Rendered, windows: Sequence[WindowMeasure]) -> TokensDetail:
    rows = np.concatenate([window.token_rows for window in windows if window.token_rows is not None], axis=2)
    distance, entropy, received, uniform = rows  # (L, N) each
    return TokensDetail(
        window=np.repeat(np.arange(len(document.windows), dtype=np.int32), [len(w) for w in document.windows]),
        id=np.concatenate([window.ids for window in document.windows]),
        turn=np.concatenate([window.turn for window in document.windows]),
        scaffold=np.concatenate([window.scaffold for window in document.windows]),
        distance=distance,
        entropy=entropy,
        received=received,
        received_lift=np.divide(received, uniform, out=np.full_like(received, np.nan), where=uniform > 0),
    )


def attention_weights(model: Model, window: Window, layer: int, head: int) -> NDArray[np.float32]:
    """The weights of one head: row i is what query i attends to. (N, N), rows sum to 1 less what a learned sink took.

    `layer` counts the layers that attend. Raises TooMuchToShow for more than 1,024 tokens, and DocumentRefused for no
    such layer or head.
    """
    if len(window) > WEIGHTS_TOKENS:
        raise TooMuchToShow(
            f"the window has {len(window)} tokens; attention weights are given for at most {WEIGHTS_TOKENS}"
        )
    if not 0 <= layer < model.facts.layers or not 0 <= head < model.facts.heads:
        raise DocumentRefused(
            f"layer {layer}, head {head}: the model has layers 0 to {model.facts.layers - 1} "
            f"and heads 0 to {model.facts.heads - 1}"
        )
    batch = Batch.of([window])
    collector = _WeightsCollector(batch.groups, layer)
    run(model.network, batch, collector)
    check_calls(collector, model.facts.layers, model.facts.architecture)
    assert collector.weights is not None
    return np.asarray(collector.weights[head].to(torch.float32).cpu().numpy())


class _WeightsCollector(Collector):
    """Keeps the weights (H, n, n) of one window's attention in the `wanted`-th of the attending layers."""

    def __init__(self, groups: BatchGroups, wanted: int) -> None:
        super().__init__(groups, RowRequest())
        self.wanted = wanted
        self.weights: Tensor | None = None

    def take(self, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        if len(self.layers) == self.wanted:
            self.weights = dense.weights(call, torch.float32)[0]
        super().take(layer, call, rows)
