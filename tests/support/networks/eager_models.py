"""An opened model held against the network that its files mean, which computes its attention plainly in float64."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from attention.hook.batch import Batch
from attention.hook.collector import RowCollector
from attention.hook.forward_pass import run
from attention.kernels import RowRequest
from attention.model.model import Model
from attention.text.documents import Window


def text_of(vocabulary: int, tokens: int, seed: int = 0) -> Window:
    """Random ids of a vocabulary."""
    nothing = np.full(tokens, -1, np.int32)
    special = np.zeros(tokens, np.bool_)
    special[0] = True
    ids = np.random.default_rng(seed).integers(min(10, vocabulary - 1), vocabulary, tokens)
    return Window(ids, nothing, nothing, special, special)


def assert_measures(model: Model, meant: Any, *, tokens: int = 40, relative: float = 1e-5) -> None:
    """A model's rows of attention, and its last states, are those of the network `meant`, read in float64.

    Distances and entropies of every head, layer and row, alone and in the company of a longer text.
    """
    window, longer = text_of(model.facts.vocabulary, tokens), text_of(model.facts.vocabulary, tokens + 11, seed=1)
    plain = copy.deepcopy(meant).double().eval()
    plain.set_attn_implementation("eager")
    plain.config._experts_implementation = "eager"  # the others take no float64
    ids = torch.from_numpy(window.ids)[None]
    with torch.inference_mode():
        wanted = plain(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True)
    maps = [each for each in wanted.attentions if each is not None]
    assert len(maps) == model.facts.layers
    offset = torch.arange(tokens, dtype=torch.float64)
    span = (offset[:, None] - offset[None, :]).abs()
    for windows in ([window], [window, longer]):
        batch = Batch.of(windows)
        collector = RowCollector(batch.groups, RowRequest())
        hidden = run(model.network, batch, collector)[0, :tokens]
        assert len(collector.rows) == len(maps)
        for rows, weights in zip(collector.rows, maps, strict=True):
            p = weights[0].double() / weights[0].double().sum(-1, keepdim=True)  # (H, n, n)
            _close(rows.distance[0, :, :tokens], (p * span).sum(-1), relative)
            _close(rows.entropy[0, :, :tokens], torch.special.entr(p).sum(-1), relative)
        _close(hidden, wanted.last_hidden_state[0], 10 * relative)


def _close(found: torch.Tensor, wanted: torch.Tensor, relative: float) -> None:
    """Within a relative error of the larger of a value and 1."""
    error = ((found.double().cpu() - wanted).abs() / wanted.abs().clamp(min=1)).max()
    assert float(error) <= relative, f"off by {float(error):.2g}"
