"""A model's proof, kept in a small file between one start and the next, and only for exactly what was proven.

What a proof was made under is written down beside it: the weights by their SHA-256, the network's configuration and
dtype, the device and the kernel that measured, the versions of all that computes, and a digest of our own code and of
the network's. A file is believed only where every one of these is what it is now, its own digest is right, and nobody
but this user could have written it. Anything else is said in the log, and the model is proven anew. A model that could
not be proven leaves no file.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import platform
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from attention.definitions import DEFINITIONS
from attention.kernels import kernel_name
from attention.model.checks.proof import Proof, prove
from attention.model.weights import files_digest

log = logging.getLogger(__name__)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


VERSIONS: Final = {name: _version(name) for name in ("hearken", "torch", "transformers", "numpy", "triton")}
"""Of the packages that a proof is bound to, as they were when this process loaded them."""
OWN_CODE: Final = files_digest(
    [path for path in sorted(Path(__file__).parents[2].rglob("*")) if path.suffix in (".py", ".so")]
)
"""Of the files of `attention`, compiled kernels too: in a clone they change while the version stays."""
LARGEST: Final = 1 << 20
"""Bytes; a kept proof has about two thousand, and a larger file is none of ours."""


def proven(network: nn.Module, name: str, weights: str, folder: Path | None) -> Proof:
    """The proof of a network whose weights have the SHA-256 `weights`: the one kept in `folder`, or a new one.

    Without a folder nothing is kept. Raises what `prove` raises.
    """
    if folder is None:
        return prove(network, name)
    conditions = conditions_of(network, weights)
    place = folder / f"{_digest(conditions)[:32]}.json"
    kept = _kept(place, conditions, name)
    if kept is not None:
        return kept
    found = prove(network, name)
    try:
        _keep(place, conditions, found)
    except OSError as error:
        log.warning("the proof of %s cannot be kept in %s: %s", name, folder, error.strerror)
    return found


def conditions_of(network: nn.Module, weights: str) -> dict[str, str]:
    """All that a proof of the network depends on; it holds for nothing else."""
    config: Any = network.config
    parameters = list(network.parameters())
    devices = sorted({parameter.device for parameter in parameters}, key=str)
    return {
        "weights": weights,
        "configuration": hashlib.sha256(config.to_json_string(use_diff=False).encode()).hexdigest(),
        "dtype": ", ".join(sorted({str(parameter.dtype) for parameter in parameters})),
        "device": ", ".join(_named(device) for device in devices),
        "kernel": ", ".join(sorted({kernel_name(device) for device in devices})),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "definitions": DEFINITIONS,
        "code": OWN_CODE,
        "network": _network_code(type(network)),
        "python": platform.python_version(),
        **VERSIONS,
    }


def _kept(place: Path, conditions: dict[str, str], name: str) -> Proof | None:
    """The proof in a file; None where there is none, or none that can be believed, which the log says."""
    try:
        content = json.loads(_read(place))
        body = {"conditions": content["conditions"], "proof": content["proof"]}
        if content["sha256"] != _digest(body):
            raise ValueError("its digest is not that of what it says")
        if body["conditions"] != conditions:
            raise ValueError("it was made for something else")
        return _proof_of(body["proof"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("the kept proof of %s is not used, %s: %s; it is proven anew", name, place, error)
        return None


def _read(place: Path) -> bytes:
    """What is in a file that only this user can have written. Raises OSError, and ValueError where others could."""
    _refuse_others(place.parent.stat(), "its folder")
    opened = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        facts = os.fstat(opened)
        _refuse_others(facts, "it")
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            raise ValueError("it is no file of ours")
        return file.read()


def _refuse_others(facts: os.stat_result, what: str) -> None:
    if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"{what} could have been written by others")


def _keep(place: Path, conditions: dict[str, str], proof: Proof) -> None:
    """Write a proof whole or not at all."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = {"conditions": conditions, "proof": asdict(proof)}
    opened, unfinished = tempfile.mkstemp(prefix=".being-made-", dir=place.parent)
    try:
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            json.dump({**body, "sha256": _digest(body)}, file, indent=1)
            file.flush()
            os.fsync(opened)
        Path(unfinished).replace(place)
    except BaseException:
        with suppress(OSError):
            Path(unfinished).unlink()
        raise


def _proof_of(stated: Any) -> Proof:
    """A proof from its JSON, each value of the kind that it must be; raises ValueError where one is not."""
    if not isinstance(stated, dict) or stated.keys() != {field.name for field in fields(Proof)}:
        raise ValueError("it has not the fields of a proof")
    for field, value in stated.items():
        numbers = value if field in ("attending_layers", "key_value_heads") else [value]
        kind = bool if field == "causal" else int
        if not isinstance(numbers, list) or not numbers or any(type(number) is not kind for number in numbers):
            raise ValueError(f"its {field} is {value}")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()}
    return Proof(**given)


def _digest(content: Any) -> str:
    """SHA-256 in hexadecimal of something as JSON that is written in one way only."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _named(device: torch.device) -> str:
    """A device by what it is: of a GPU its name and what it can, whatever its number."""
    if device.type != "cuda":
        return device.type
    return f"{torch.cuda.get_device_name(device)} {torch.cuda.get_device_capability(device)} CUDA {torch.version.cuda}"


def _network_code(kind: type[nn.Module]) -> str:
    """A class of networks by its name and the digest of the files that it and what it is made of stand in."""
    files = {file for each in kind.__mro__ if each.__module__.startswith("transformers.") and (file := _file(each))}
    return f"{kind.__module__}.{kind.__qualname__} {files_digest(sorted(files))}"


def _file(kind: type[nn.Module]) -> Path | None:
    with suppress(TypeError):
        return Path(inspect.getfile(kind))
    return None
