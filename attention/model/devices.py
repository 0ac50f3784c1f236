"""Where a network runs: one device, or the GPUs of one machine with its layers spread over them."""

from __future__ import annotations

import re
from typing import Any, Final

import torch
from torch import nn

from attention.errors import DeviceMissing, TooLittleMemory
from attention.model.model import ModelSource

NAMED: Final = re.compile(r"cpu|cuda|cuda:\d{1,3}(?:,\d{1,3})*")


def chosen_devices(source: ModelSource) -> tuple[torch.device, ...]:
    """The devices that a model is to run on, the first one first; raises DeviceMissing where one is not there."""
    name, there = source.device, torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "all":
        name = "cuda:" + ",".join(map(str, range(there))) if there else "cpu"
    if not NAMED.fullmatch(name):
        raise DeviceMissing(f"{source.id} asks for the device {name}; write auto, all, cpu, cuda, cuda:N or cuda:N,M")
    if name == "cpu":
        return (torch.device(name),)
    numbers = [int(number) for number in (name.partition(":")[2] or "0").split(",")]
    if len(set(numbers)) < len(numbers):
        raise DeviceMissing(f"{source.id} asks for the device {name}, which names one twice")
    if max(numbers) >= there:
        raise DeviceMissing(
            f"{source.id} asks for the device {name}, and this machine has {there} CUDA devices; set device to `auto` "
            "or `cpu`"
        )
    return tuple(torch.device("cuda", number) for number in numbers)


def name_of(devices: tuple[torch.device, ...]) -> str:
    """How the model's facts name its devices: `cpu`, `cuda:0`, `cuda:0,1`."""
    return f"{devices[0]}{''.join(f',{device.index}' for device in devices[1:])}"


def devices_named(name: str) -> tuple[torch.device, ...]:
    """The devices of a name that `name_of` gave."""
    first, *others = name.split(",")
    return (torch.device(first), *(torch.device("cuda", int(number)) for number in others))


def placed(source: ModelSource, network: nn.Module, devices: tuple[torch.device, ...]) -> nn.Module:
    """The network on its devices, with its layers spread over them where they are several.

    Raises TooLittleMemory where it does not fit.
    """
    if len(devices) > 1:
        return spread(network, memory_map(source, network, devices), str(devices[0]))
    try:
        return network.to(devices[0])
    except torch.OutOfMemoryError as error:
        raise too_large(source, str(devices[0])) from error


def memory_map(source: ModelSource, network: Any, devices: tuple[torch.device, ...]) -> dict[str, Any]:
    """Which part of a network goes to which of several GPUs, in their order and about evenly."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = list(network._no_split_modules or ())
    free = {device.index: torch.cuda.mem_get_info(device)[0] for device in devices}
    balanced = get_balanced_memory(network, max_memory=free, no_split_module_classes=whole)
    parts: dict[str, Any] = infer_auto_device_map(network, max_memory=balanced, no_split_module_classes=whole)
    if {"cpu", "disk"} & set(parts.values()):
        raise too_large(source, name_of(devices))
    return parts


def spread(network: nn.Module, parts: dict[str, Any], first: str, *, folder: str | None = None) -> nn.Module:
    """Put each part of a network on its device; what goes from one to the next is moved there as it is asked for.

    `folder` is for parts that stay on disk.
    """
    from accelerate import dispatch_model

    dispatched: nn.Module = dispatch_model(network, parts, main_device=first, offload_dir=folder, force_hooks=True)
    return dispatched


def too_large(source: ModelSource, device: str) -> TooLittleMemory:
    """The refusal of a model that a device has no room for."""
    return TooLittleMemory(
        f"{source.id} does not fit into the memory of {device}; choose another device or a smaller dtype"
    )
