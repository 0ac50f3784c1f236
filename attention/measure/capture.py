"""One forward pass in which every attention row is measured as it is computed.

What a pass costs beside the network's own work is a number of calls that does not grow with windows, turns or speakers,
and nothing waits for the device before the pass has ended: `begin` queues everything, `PendingPass.finish` waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.errors import NotFinite
from attention.hook.batch import Batch
from attention.hook.forward_pass import check_calls, run
from attention.kernels import RowRequest
from attention.kernels.transfer import Fetched, fetched, uploaded
from attention.measure.layer_states import LayerSums, depth_of, watched
from attention.measure.metrics import HeadSums
from attention.measure.row_sums import SumsCollector
from attention.model.model import Model
from attention.reductions.reduce import sum_segments
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
    apart), column 0 scaffold. `turn_sums` (2, M, L, T): sums over the heads and rows of each turn and how many there
    are, kinds as in `ROW_MEANS`. `token_rows` (4, L, n): means over heads of distance, entropy, received attention and
    the latter's value under uniform attention. `embedding` (d,): the sum of the last hidden state over `own_tokens`,
    and `turn_embeddings` (T, d), `layer_embeddings` (L, d) likewise sums; the last is None as well for a network whose
    layers cannot be told apart.
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


class PassMeasures(Sequence[WindowMeasure]):
    """What one pass found in each of its windows: views of what was copied back, made when a window is asked for."""

    def __init__(self, batch: Batch, found: dict[str, NDArray[Any]]) -> None:
        groups = batch.groups
        self._found = found
        self._length = groups.length.tolist()
        self._own_tokens = batch.own.sum(1).tolist()
        self._turn_number, self._turn_tokens = groups.turn_number, batch.turn_tokens
        self._turn_offset = groups.turn_offset.tolist()
        self._flow_offset = groups.flow_offset.tolist()

    def __len__(self) -> int:
        return len(self._length)

    @overload
    def __getitem__(self, index: int) -> WindowMeasure: ...
    @overload
    def __getitem__(self, index: slice) -> list[WindowMeasure]: ...
    def __getitem__(self, index: int | slice) -> WindowMeasure | list[WindowMeasure]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        found = self._found
        total, count = found["heads"][:, :, :, index].transpose(1, 2, 0, 3)  # (K, L, H) each
        low, high = self._turn_offset[index], self._turn_offset[index + 1]
        has_turns = high > low
        return WindowMeasure(
            sums=HeadSums(total, count),
            turn_number=self._turn_number[low:high],
            turn_tokens=self._turn_tokens[low:high],
            own_tokens=self._own_tokens[index],
            embedding=found["embedding"][index],
            turn_embeddings=found["turn_embeddings"][low:high] if has_turns and "turn_embeddings" in found else None,
            layer_embeddings=found["layer_embeddings"][:, index] if "layer_embeddings" in found else None,
            flow=self._flow(index, high - low) if has_turns and "flow" in found else None,
            turn_sums=found["turns"].transpose(1, 2, 0, 3)[..., low:high] if "turns" in found else None,  # (2, M, L, T)
            token_rows=(
                found["tokens"][:, :, index, : self._length[index]].transpose(1, 0, 2) if "tokens" in found else None
            ),
        )

    def _flow(self, index: int, turns: int) -> NDArray[np.float32]:
        """One window's flow. (L, 1 or H, T, T + 1)"""
        flow = self._found["flow"]
        depth = flow.shape[1] // self._flow_offset[-1]
        part = flow[:, self._flow_offset[index] * depth : self._flow_offset[index + 1] * depth]
        return part.reshape(len(flow), depth, turns, turns + 1)


@dataclass(frozen=True, slots=True, eq=False)
class PendingPass:
    """A pass whose work is queued on the device, down to the copy of what it finds."""

    batch: Batch
    dtype: str
    found: Fetched

    def finish(self) -> PassMeasures:
        """Wait for the device and give what was found.

        Raises NotFinite where the network's own arithmetic overflowed.
        """
        found = self.found.wait()
        if not (found.pop("finite").all() and np.isfinite(found["heads"]).all()):
            raise NotFinite(
                f"the model gives no finite numbers on this text in {self.dtype}; "
                "use a model whose dtype in the models file is bfloat16 or float32"
            )
        return PassMeasures(self.batch, found)


def capture(model: Model, windows: Sequence[Window], options: CaptureOptions | None = None) -> PassMeasures:
    """Measure windows in one padded forward pass; a window's result does not depend on its neighbours.

    Raises CaptureIncomplete where fewer or more layers attended than the model has, FamilyNotProven where the network
    attends in a way that is not measured, and NotFinite where its own arithmetic overflowed.
    """
    return begin(model, windows, options).finish()


def begin(model: Model, windows: Sequence[Window], options: CaptureOptions | None = None) -> PendingPass:
    """Queue one padded forward pass over windows, without waiting for the device; raises what `capture` raises."""
    options = options or CaptureOptions()
    batch = Batch.of(windows)
    groups = batch.groups
    turns = groups.turns > 0
    request = RowRequest(
        received=options.tokens,
        turns=turns,
        flow=turns and options.flow,
        flow_heads=turns and options.flow_heads,
    )
    collector = SumsCollector(
        groups,
        request,
        layers_in_all=model.facts.layers,
        of_turns=turns and options.turn_metrics,
        tokens=options.tokens,
    )
    segments = Segments(batch)
    with torch.inference_mode():
        hidden, layer_sums = _pass(model, batch, collector, segments, layers=options.layer_embeddings)
        found = collector.sums(hidden.device)
        found["embedding"] = segments.of_windows(hidden)
        beyond = torch.arange(groups.tokens, device=hidden.device) >= segments.on(hidden.device)["length"].unsqueeze(1)
        found["finite"] = torch.isfinite(hidden).all(-1).logical_or(beyond).all().to(torch.float64).unsqueeze(0)
        if layer_sums is not None:
            found["layer_embeddings"] = layer_sums
        if turns and options.turn_embeddings:
            found["turn_embeddings"] = segments.of_turns(hidden)
        return PendingPass(batch, model.facts.dtype, fetched(found))


def _pass(
    model: Model, batch: Batch, collector: SumsCollector, segments: "Segments", *, layers: bool
) -> tuple[Tensor, Tensor | None]:
    """The last hidden state (B, N, d), and with `layers` the sums of every attending layer's states (L, B, d)."""
    if not layers:
        hidden, sums = run(model.network, batch, collector), None
    else:
        of_layers = LayerSums(
            model.facts.attending_layers,
            segments.of_windows,
            depth_of(model.network) - 1,
        )
        with watched(model.network, of_layers.take):
            hidden = run(model.network, batch, collector)
        sums = of_layers.finish(hidden)
    check_calls(collector, model.facts.layers, model.facts.architecture)
    return hidden, sums


class Segments:
    """For sums of hidden states: the window and the turn that each token counts for, and the rows of each."""

    def __init__(self, batch: Batch) -> None:
        groups = batch.groups
        each = np.arange(groups.sequences, dtype=np.int32)
        turn = np.where(groups.query_turn >= 0, groups.query_turn + groups.turn_offset[:-1, None], -1)
        self._arrays = {
            "own": np.where(batch.own, each[:, None], -1),
            "windows": np.stack([each, np.zeros_like(each), groups.length], 1),
            "turn": turn,
            "turns": groups.turn_rows[:, [0, 2, 3]],
            "length": groups.length,
        }
        self._there: dict[torch.device, dict[str, Tensor]] = {}

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """The tables on a device, uploaded once in one copy."""
        if device not in self._there:
            self._there[device] = uploaded(self._arrays, device)
        return self._there[device]

    def of_windows(self, states: Tensor) -> Tensor:
        """Sums (B, d) of each window's own tokens' states (B, N, d), in float64."""
        tables = self.on(states.device)
        return sum_segments(states, tables["own"], tables["windows"])

    def of_turns(self, states: Tensor) -> Tensor:
        """Sums (S, d) of each turn's tokens' states (B, N, d), in float64."""
        tables = self.on(states.device)
        return sum_segments(states, tables["turn"], tables["turns"])
