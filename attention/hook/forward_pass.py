"""One forward pass over windows, with everything its attention calls find given to a collector."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention.errors import CaptureIncomplete
from attention.hook.collector import Collector
from attention.kernels import KeyGroups
from attention.text.documents import Window


def key_groups(window: Window) -> KeyGroups:
    """A window's tokens by group of keys: scaffold, its turns in order, or neither."""
    turn = np.asarray(window.turn)
    turn_number, local = np.unique(turn[turn >= 0], return_inverse=True)
    column = np.where(np.asarray(window.scaffold), 0, -1).astype(np.int32)
    column[turn >= 0] = 1 + local
    speakers = np.zeros(len(turn_number), np.int32)
    speakers[local] = np.asarray(window.speaker)[turn >= 0]
    return KeyGroups(column, turn_number.astype(np.int32), speakers)


def run(network: Any, windows: Sequence[Window], collector: Collector) -> Tensor:
    """One forward pass over right-padded windows: the last hidden state (B, N, d).

    The network is one that was loaded with the attention implementation `attention_function.CAPTURE`.
    """
    device = device_of(network)
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
    """Raise CaptureIncomplete where fewer or more layers called the attention function than should attend."""
    if len(collector.layers) != layers:
        raise CaptureIncomplete(
            f"{architecture}: {len(collector.layers)} attention calls were measured where {layers} layers attend; "
            "the model cannot be measured exactly"
        )


def device_of(network: Any) -> torch.device:
    """The device that a network's weights are on."""
    device: torch.device = next(network.parameters()).device
    return device
