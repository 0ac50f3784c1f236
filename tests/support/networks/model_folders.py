"""Model folders of the shapes that people bring: a small random network of any family, saved, and then edited."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_tokenizer
from torch import Tensor

from attention.model.model import ModelSource


def saved(folder: Path, config: Any, *, kind: str = "byte-level", spread: float = 0.3, seed: int = 0) -> ModelSource:
    """Save a random network of this configuration with a tokenizer of a kind of `tiny_models.KINDS`.

    Weights are drawn with the standard deviation `spread`, so that attention is far from uniform.
    """
    from transformers import AutoModel

    tokenizer = tiny_tokenizer(kind)
    text = config.get_text_config()
    text.vocab_size = len(tokenizer)
    text.initializer_range = spread
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AutoModel.from_config(config, dtype=torch.float32)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    reading = network.get_decoder() if text is not config else network
    torch.save(getattr(reading, "model", reading), folder / "drawn.pt")
    tokenizer.save_pretrained(folder)
    return ModelSource(id="tiny", path=folder)


def edit_config(folder: Path, **settings: Any) -> None:
    """Change settings of a folder's config.json; None removes one."""
    file = folder / "config.json"
    removed = {name for name, value in settings.items() if value is None}
    changed = json.loads(file.read_text()) | settings
    file.write_text(json.dumps({name: value for name, value in changed.items() if name not in removed}))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]) -> None:
    """Replace a folder's tensors by what `change` makes of them."""
    file = folder / "model.safetensors"
    tensors = {name: tensor.contiguous().clone() for name, tensor in change(load_file(file)).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def network_of(folder: Path) -> Any:
    """The random network that `saved` put into a folder, as it was drawn, whatever became of the folder since."""
    return torch.load(folder / "drawn.pt", weights_only=False)
