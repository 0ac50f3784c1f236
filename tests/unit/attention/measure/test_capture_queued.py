"""A pass on a GPU is queued in a number of steps that does not grow with documents, turns or speakers.

No GPU is needed: tensors say that they are on one and hold nothing, so that whatever would wait for a value fails. The
network is made here, of nothing but what such tensors can do.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
import torch
from capture_networks import VOCABULARY, model_of, talk_window, text_window, twin
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.masking_utils import sliding_window_causal_mask_function

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

import attention
from attention.hook.attention_function import attention_forward
from attention.kernels import AttentionCall, MaskRule, RowStatistics, transfer
from attention.kernels.fused import columns, diagonals, launch, output, row_pass
from attention.measure.capture import CaptureOptions, begin
from attention.measure.row_sums import SumsCollector
from attention.model.model import Model
from attention.reductions.fused import expectation, local_shares, row_sums, segments
from attention.text.documents import Window

OURS = str(Path(attention.__file__).parent)
EVERYTHING = CaptureOptions(flow_heads=True, tokens=True, layer_embeddings=True)
LAYERS, HEADS, SHARED, WIDTH = 4, 4, 2, 64


class Block(nn.Module):
    """One layer that attends, in bf16, both ways, to what was before, or to the last few."""

    def __init__(self, sees: str, layer: int, device: str) -> None:
        super().__init__()
        self.layer_idx, self.sees, self.is_causal = layer, sees, sees != "both ways"
        self.query, self.key, self.value = (
            nn.Linear(HEADS * WIDTH, heads * WIDTH, dtype=torch.bfloat16, device=device)
            for heads in (HEADS, SHARED, SHARED)
        )

    def forward(self, states: Tensor, mask: MaskRule | None, collector: object) -> Tensor:
        given = [part(states).unflatten(-1, (-1, WIDTH)).transpose(1, 2) for part in (self.query, self.key, self.value)]
        mixed, _ = attention_forward(self, *given, mask, collector=collector)  # type: ignore[arg-type]
        return states + mixed.flatten(2)


class Network(nn.Module):
    """Blocks that see alike or, with `sliding`, by turns, one after the other on these devices in equal parts."""

    def __init__(self, sees: str, devices: tuple[str, ...] = ("cuda:0",)) -> None:
        super().__init__()
        self.config = SimpleNamespace(pad_token_id=0, num_hidden_layers=LAYERS)
        self.config.get_text_config = lambda: self.config
        self.embedding = nn.Embedding(VOCABULARY, HEADS * WIDTH, dtype=torch.bfloat16, device=devices[0])
        self.devices = [devices[layer * len(devices) // LAYERS] for layer in range(LAYERS)]
        self.blocks = nn.ModuleList(Block(sees, layer, self.devices[layer]) for layer in range(LAYERS))
        self.sliding = sees == "sliding"

    def forward(self, input_ids: Tensor, attention_mask: Tensor, collector: object) -> object:
        few = MaskRule(sliding_window_causal_mask_function(6), attention_mask, False, attention_mask.device)
        states = self.embedding(input_ids)
        for layer, block in enumerate(self.blocks):
            states = block(states.to(self.devices[layer]), few if self.sliding and layer % 2 else None, collector)
        return SimpleNamespace(last_hidden_state=states)


@dataclass
class Steps:
    """What the host did for one pass."""

    launches: int = 0
    to_device: int = 0
    to_host: int = 0
    calls: int = 0


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Tensors without numbers, and counts of our launches and of copies, which are not made."""
    counted = Steps()

    def launched(*_: object, **__: object) -> None:
        counted.launches += 1

    def copied(tensor: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
        if tensor.device.type != source.device.type:
            assert non_blocking
            counted.to_device += tensor.device.type == "cuda"
            counted.to_host += tensor.device.type == "cpu"
        return tensor

    for module in (launch, output, row_pass, diagonals, columns, expectation, local_shares, row_sums, segments):
        monkeypatch.setattr(module, "launch", launched)
    monkeypatch.setattr(torch.Tensor, "copy_", copied)
    monkeypatch.setattr(transfer, "_recorded", lambda _device: None)  # no events without a GPU
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield counted


def queue(
    sees: str, windows: list[Window], options: CaptureOptions, steps: Steps, devices: tuple[str, ...] = ("cuda:0",)
) -> Steps:
    """Queue one pass; what it took, with the calls out of our own code."""
    shape = model_of(twin("llama").model.network).facts
    facts = replace(shape, layers=LAYERS, attending_layers=tuple(range(LAYERS)), heads=HEADS, hidden_size=HEADS * WIDTH)
    model = Model(SimpleNamespace(), facts, None, Network(sees, devices))  # type: ignore[arg-type]
    begin(model, windows, options)  # what is done once in a process has been done
    steps.launches = steps.to_device = steps.to_host = steps.calls = 0

    def counted(frame: FrameType, event: str, _: object) -> None:
        steps.calls += event in ("call", "c_call") and frame.f_code.co_filename.startswith(OURS)

    sys.setprofile(counted)
    try:
        begin(model, windows, options)
    finally:
        sys.setprofile(None)
    return replace(steps)


def conversations(documents: int, turns: int, speakers: int) -> list[Window]:
    return [talk_window((2, 3) * (turns // 2), speakers=speakers, seed=seed) for seed in range(documents)]


texts = partial(text_window, 40)


@pytest.mark.parametrize("sees", ["both ways", "before", "sliding"])
@pytest.mark.parametrize("options", [CaptureOptions(), EVERYTHING], ids=["usual", "everything"])
def test_steps_do_not_grow_with_documents_turns_or_speakers(sees: str, options: CaptureOptions, steps: Steps) -> None:
    few = queue(sees, conversations(4, 6, 2), options, steps)
    assert few.launches >= 3 * LAYERS - (LAYERS if sees == "before" else 0)  # cuDNN gives the output there
    assert few.to_host == 1
    assert few.calls > 100
    for documents, turns, speakers in ((64, 6, 2), (4, 60, 2), (4, 60, 20)):
        assert queue(sees, conversations(documents, turns, speakers), options, steps) == few


def test_steps_of_texts_do_not_grow_with_their_number(steps: Steps) -> None:
    few = queue("both ways", [texts(seed) for seed in range(4)], EVERYTHING, steps)
    assert few.to_host == 1
    assert queue("both ways", [texts(seed) for seed in range(64)], EVERYTHING, steps) == few


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="beside one real GPU there is no second to stand in for")
@pytest.mark.parametrize("sees", ["both ways", "sliding"])
def test_each_layer_is_measured_on_the_device_that_it_lies_on(
    sees: str, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[torch.device, set[torch.device]]] = []
    take = SumsCollector.take

    def seen(self: SumsCollector, layer: int | None, call: AttentionCall, rows: RowStatistics) -> None:
        kept = (rows.values, rows.by_distance, rows.received, rows.flow)
        met.append((call.query.device, {each.device for each in kept if each is not None}))
        take(self, layer, call, rows)

    monkeypatch.setattr(SumsCollector, "take", seen)
    apart = ("cuda:0", "cuda:1")  # an operation that took tensors of both would fail
    few = queue(sees, conversations(4, 6, 2), EVERYTHING, steps, apart)
    assert [str(device) for device, _ in met[-LAYERS:]] == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
    assert all(kept == {device} for device, kept in met)
    assert few.to_host == 1
    assert queue(sees, conversations(64, 60, 20), EVERYTHING, steps, apart) == few


def test_steps_are_counted(steps: Steps) -> None:
    plain = queue("before", conversations(4, 6, 2), CaptureOptions(), steps)
    more = queue("before", conversations(4, 6, 2), EVERYTHING, steps)
    assert more.launches >= plain.launches + LAYERS  # received attention, a launch a layer
    assert more.calls > plain.calls


def test_asking_for_a_value_on_the_way_fails(steps: Steps) -> None:
    del steps
    numbers: Any = torch.ones(3, device="cuda")
    for ask in (numbers.sum().item, numbers.tolist, numbers.numpy):
        with pytest.raises(Exception, match=r"_local_scalar_dense|not supported|data"):
            ask()
