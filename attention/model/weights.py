"""The files of a model: which are safe to open, and the SHA-256 of its weights. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attention.errors import AdapterRefused, FolderMissing, IncompleteModel, RemoteCode, UnsafeWeights

CONFIG: Final = "config.json"
ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
PICKLED: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5")
PACKED: Final = {"I32": 8, "U8": 2}
"""Numbers to an element, at most, in the types that packed weights come in."""
LARGEST_JSON: Final = 64 * 2**20
"""Bytes; a configuration or an index is far smaller, and a larger file is not parsed."""


def configuration(model: str, folder: Path) -> dict[str, Any]:
    """The parsed `config.json` of a model's folder that does not ask to run code; `model` is its name in messages.

    Raises FolderMissing, IncompleteModel or RemoteCode, and AdapterRefused for a folder with an adapter in it.
    """
    if not folder.is_dir():
        raise FolderMissing(f"the folder of {model} does not exist; correct `path` in the models file")
    if (folder / ADAPTER_CONFIG).is_file():
        raise _is_an_adapter(model, folder)
    if not (folder / CONFIG).is_file():
        raise FolderMissing(f"the folder of {model} holds no {CONFIG}; point `path` at a model's own folder")
    config = json_object(model, folder / CONFIG)
    for name, settings in ((CONFIG, config), ("tokenizer_config.json", None), ("processor_config.json", None)):
        if settings is None:
            settings = json_object(model, folder / name) if (folder / name).is_file() else {}
        if "auto_map" in settings:
            raise RemoteCode(
                f"{model} wants to run code that came with it (auto_map in {name}); "
                "use a model of an architecture that transformers has itself"
            )
    return config


def _is_an_adapter(model: str, folder: Path) -> AdapterRefused:
    """Libraries would merge an adapter that lies in a model's folder, without a word."""
    base = Path(str(json_object(model, folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "its model")).name
    if (folder / CONFIG).is_file():
        return AdapterRefused(
            f"the folder of {model} holds a model and an adapter; move the adapter's files into a folder of their own "
            "and name that as `adapter`, or leave them out"
        )
    return AdapterRefused(
        f"the folder of {model} holds an adapter on {base} and no model; give the folder of {base} as `path` and this "
        "folder as `adapter`"
    )


def weight_files(model: str, folder: Path) -> list[Path]:
    """The safetensors files that hold the weights, in order of their names.

    Raises UnsafeWeights where there are only pickled weights or none, IncompleteModel where the index is damaged, names
    a file elsewhere, or names one that is missing.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise no_safe_weights(model, (entry.name for entry in folder.iterdir()))
    placed = json_object(model, folder / INDEX).get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(name, str) for name in placed.values()):
        raise IncompleteModel(f"the weights' index of {model} ({INDEX}) does not say in which file each weight is")
    names = sorted(set(placed.values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UnsafeWeights(
                f"the weights' index of {model} names something other than a safetensors file beside it"
            )
        if not (folder / name).is_file():
            raise IncompleteModel(f"{model} lacks the weights' file {name}; download it again")
    return [folder / name for name in names]


def no_safe_weights(model: str, names: Iterable[str]) -> UnsafeWeights:
    """The refusal of a model whose files (`names`) include no safetensors weights."""
    if any(name.endswith(PICKLED) for name in names):
        return UnsafeWeights(
            f"{model} has its weights only in files that can run code when they are opened; "
            "convert them to model.safetensors"
        )
    return UnsafeWeights(f"{model} has no model.safetensors and no {INDEX}")


def files_digest(files: list[Path]) -> str:
    """SHA-256 in hexadecimal: of one file its own, of several that of the lines `name digest` in order of names."""
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    if len(files) == 1:
        return digests[0]
    lines = (f"{file.name} {digest}\n" for file, digest in zip(files, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def count_weights(model: str, files: list[Path]) -> int:
    """How many numbers the safetensors files hold, from their headers alone.

    Raises IncompleteModel for a file without a valid header.
    """
    return sum(_count(model, file) for file in files)


def count_unpacked(model: str, files: list[Path]) -> int:
    """How many numbers packed safetensors files hold at most: eight to each element of 32 bits, two to a byte.

    Raises IncompleteModel for a file without a valid header.
    """
    return sum(
        math.prod(tensor["shape"]) * PACKED.get(tensor.get("dtype"), 1)
        for file in files
        for tensor in _header(model, file).values()
    )


def _count(model: str, file: Path) -> int:
    return sum(math.prod(tensor["shape"]) for tensor in _header(model, file).values())


def _header(model: str, file: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors, by name."""
    with file.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        if size > LARGEST_JSON:
            raise IncompleteModel(f"the weights' file {file.name} of {model} is damaged: its header has {size} bytes")
        try:
            tensors = json.loads(opened.read(size))
            return {
                name: {"shape": [int(length) for length in tensor["shape"]], "dtype": str(tensor["dtype"])}
                for name, tensor in tensors.items()
                if name != "__metadata__"
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IncompleteModel(f"the weights' file {file.name} of {model} is damaged: it has no header") from error


def json_object(model: str, file: Path) -> dict[str, Any]:
    if file.stat().st_size > LARGEST_JSON:
        raise IncompleteModel(f"{file.name} of {model} is larger than {LARGEST_JSON} bytes; it cannot be right")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise IncompleteModel(f"{file.name} of {model} is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise IncompleteModel(f"{file.name} of {model} is not a JSON object")
    return content
