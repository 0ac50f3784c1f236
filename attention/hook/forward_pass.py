"""One forward pass over windows, with everything its attention calls find given to a collector."""

import inspect
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention.errors import CaptureIncomplete
from attention.hook.batch import Batch
from attention.hook.collector import Collector
from attention.kernels.transfer import on


def run(network: Any, batch: Batch, collector: Collector) -> Tensor:
    """One forward pass over windows: the last hidden state (B, N, d).

    The network is one that was loaded with the attention implementation `attention_function.CAPTURE`.
    """
    device = device_of(network)
    padding = getattr(network.config, "pad_token_id", None)
    ids = np.where(batch.real, batch.ids, padding if isinstance(padding, int) and padding >= 0 else 0)
    options: dict[str, Any] = {"collector": collector}
    if _takes_use_cache(type(network)):  # type: ignore[arg-type]
        options["use_cache"] = False
    with torch.inference_mode():
        output = network(input_ids=on(ids, device), attention_mask=on(batch.real.astype(np.int64), device), **options)
    hidden: Tensor = output.last_hidden_state
    return hidden


@cache
def _takes_use_cache(network: type[Any]) -> bool:
    """Of a class of networks."""
    return "use_cache" in inspect.signature(network.forward).parameters


def check_calls(collector: Collector, layers: int, architecture: str) -> None:
    """Raise CaptureIncomplete where fewer or more layers called the attention function than should attend."""
    if len(collector.layers) != layers:
        raise CaptureIncomplete(
            f"{architecture}: {len(collector.layers)} attention calls were measured where {layers} layers attend; "
            "the model cannot be measured exactly"
        )


def device_of(network: Any) -> torch.device:
    """The device that a network takes its tokens on: that of its weights, or of the first of several."""
    device: torch.device = next(network.parameters()).device
    if device.type == "meta":  # weights that are brought in when they are needed
        device = torch.device(network._hf_hook.execution_device)
    return device
