"""What a token of a captured pass takes of a GPU's memory, measured when a model is loaded, and the budget from it."""

import logging
from typing import Final

import numpy as np
import torch

from attention.errors import HearkenError
from attention.measure.capture import CaptureOptions, capture
from attention.model.devices import devices_named
from attention.model.memory_budget import pass_tokens
from attention.model.model import Model
from attention.text.documents import Window

log = logging.getLogger(__name__)

CPU_TOKENS: Final = 4_096
"""Padded tokens of a pass on a CPU, at most, unless a setting says otherwise: what a layer makes of more of them does
not stay in the processor's caches, and a model of 135 million parameters then reads two thirds as many a second."""
CLAIM_TOKENS: Final = 16_384
"""Padded tokens of a claim on a CPU, at most: several passes, since to claim and to store has a cost of its own."""
LEAST_GPU_TOKENS: Final = 16_384
"""The least that a pass on a GPU may have, however large the model, where the memory allows it."""
GPU_TOKENS: Final = 131_072
"""The same on a GPU: 256 conversations of 512 tokens fill one."""
GPU_WORK: Final = 2.5e14
"""Tokens times parameters of a pass on a GPU, at most: about half a second, which interactive work may have to wait."""
PROBED: Final = (2, 8)
"""Windows of the two passes that are measured; what one pass has more than the other is what its tokens take."""
PROBED_TOKENS: Final = 512


def budget_of(model: Model, free: int, most: int | None) -> int:
    """Padded tokens that a pass of a loaded model may have, from the `free` bytes of its device.

    At most `most`, where a setting gives it. On a GPU a token's bytes are measured, by two passes; elsewhere, and where
    these fail, they are estimated from the network's widths.
    """
    if devices_named(model.facts.device)[0].type != "cuda":
        return pass_tokens(model, free, most or CPU_TOKENS)
    if most is None:
        work = int(GPU_WORK / max(1, model.facts.parameters))
        most = max(LEAST_GPU_TOKENS, min(GPU_TOKENS, work))
    try:
        each = token_bytes(model)
    except (torch.OutOfMemoryError, HearkenError) as error:
        log.warning("model=%s: two small passes failed (%s); the token budget is an estimate", model.source.id, error)
        return pass_tokens(model, free, most)
    return pass_tokens(model, free, most, each=max(1, each))


def token_bytes(model: Model) -> int:
    """Bytes that a padded token takes at the peak of a pass over conversations with all their flow, on a GPU."""
    devices = devices_named(model.facts.device)
    peaks, sizes = [], []
    for count in PROBED:
        windows = [_conversation(min(PROBED_TOKENS, model.facts.context), seed) for seed in range(count)]
        before = []
        for device in devices:
            torch.cuda.synchronize(device)
            before.append(torch.cuda.memory_allocated(device))
            torch.cuda.reset_peak_memory_stats(device)
        capture(model, windows, CaptureOptions())
        grown = [torch.cuda.max_memory_allocated(each) - was for each, was in zip(devices, before, strict=True)]
        peaks.append(max(grown))  # of the device that has most to hold
        sizes.append(sum(map(len, windows)))
    return -(-(peaks[1] - peaks[0]) // (sizes[1] - sizes[0]))


def _conversation(tokens: int, seed: int) -> Window:
    """Random tokens in turns of 16."""
    turn = (np.arange(tokens) // 16).astype(np.int32)
    none = np.zeros(tokens, np.bool_)
    return Window(np.random.default_rng(seed).integers(0, 10, tokens), turn, turn % 2, none, none)
