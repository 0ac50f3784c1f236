"""Which models are loaded: each on first use, kept while memory allows, the least recently used dropped first."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import RLock
from typing import Final

import psutil
import torch

from attention.errors import ModelUnavailable, TooLittleMemory
from attention.model.devices import chosen_devices, devices_named, name_of
from attention.model.loading import open_model
from attention.model.model import Model, ModelSource
from attention.model.source.entries import adapter_of, checkpoint_of

BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}

WORKSPACE: Final = 256 * 2**20
"""Bytes that one model's passes may need in addition to its weights."""

GIBIBYTE: Final = 2**30


class ModelCache:
    """The models of a models file, of which as many are loaded as memory allows.

    `free` says how many bytes are free on a device (`cpu`, `cuda:0`) at the moment it is asked; `free_memory`
    reads them from the machine. A model that a caller still holds keeps its memory even when it has been dropped here.
    """

    def __init__(
        self,
        sources: Mapping[str, ModelSource],
        free: Callable[[str], int],
        *,
        load: Callable[[ModelSource], Model] = open_model,
        need: Callable[[ModelSource], int] | None = None,
    ) -> None:
        self._sources = dict(sources)
        self._free = free
        self._load = load
        self._need = need or memory_needed
        self._loaded: OrderedDict[str, Model] = OrderedDict()  # least recently used first
        self._lock = RLock()

    @property
    def loaded(self) -> tuple[str, ...]:
        """Ids of the loaded models, the least recently used first."""
        with self._lock:
            return tuple(self._loaded)

    def model(self, name: str) -> Model:
        """The model with this id, loaded if it is not; others on its device are dropped where it needs their memory.

        Raises ModelUnavailable for an id that is not in the models file, TooLittleMemory where the model does not fit
        even alone, and what `open_model` raises.
        """
        with self._lock:
            if name not in self._sources:
                raise ModelUnavailable(f"the models file has no model {name}; it has {', '.join(self._sources)}")
            if name not in self._loaded:
                source = self._sources[name]
                self._make_room(source)
                self._loaded[name] = self._load(source)
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def drop(self, name: str) -> None:
        """Unload a model; nothing happens where it is not loaded."""
        with self._lock:
            if self._loaded.pop(name, None) is not None:
                _release()

    def _make_room(self, source: ModelSource) -> None:
        devices = chosen_devices(source)
        device, need = name_of(devices), self._need(source)
        while need > (free := sum(self._free(str(each)) for each in devices)):
            on_one = (name for name, model in self._loaded.items() if {*devices_named(model.facts.device)} & {*devices})
            neighbour = next(on_one, None)
            if neighbour is None:
                raise TooLittleMemory(
                    f"{source.id} needs about {need / GIBIBYTE:.1f} GiB on {device}, where {free / GIBIBYTE:.1f} GiB "
                    "are free; free some, or choose a smaller dtype or another device in the models file"
                )
            self.drop(neighbour)


def memory_needed(source: ModelSource) -> int:
    """About how many bytes a model takes once loaded: its weights in its dtype, a fifth more, and a workspace."""
    adapter = adapter_of(source)
    numbers = checkpoint_of(source).numbers() + (0 if adapter is None else adapter.numbers())
    width = BYTES.get(source.dtype, 4) if adapter is None else BYTES["float32"]  # it is merged in single precision
    return numbers * width * 6 // 5 + WORKSPACE


def free_memory(device: str) -> int:
    """Bytes free on a device now; for the CPU, what the machine and the process's control group allow."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    return min(int(psutil.virtual_memory().available), _left_in_control_group(Path("/sys/fs/cgroup")))


def _left_in_control_group(folder: Path) -> int:
    """What a memory limit set on a container leaves; no limit where there is none. Cached files count as free."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        kept = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:  # another system, or no control groups
        return 2**63
    return 2**63 if limit == "max" else max(0, int(limit) - used + int(kept.get("inactive_file", 0)))


def _release() -> None:
    """Give a dropped model's memory back."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
