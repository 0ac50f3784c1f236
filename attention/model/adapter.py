"""Adapters: a LoRA of PEFT merged into the network that it was trained on, and proven to be the same after merging.

Only numbers and known settings of an adapter are used. Of its configuration what changes a number is known by name, and
anything else that is set is refused; weights are read from safetensors alone; nothing is fetched and nothing is run.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from attention.errors import (
    AdapterRefused,
    FolderMissing,
    IncompleteModel,
    ModelRefused,
    UnsafeWeights,
    WeightsWithoutPlace,
)
from attention.model.model import ModelSource
from attention.model.tensors import HEADS, stored_tensors
from attention.model.weights import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PICKLED, count_weights, files_digest, json_object

USED: Final = frozenset(
    {
        "r", "lora_alpha", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern",
        "alpha_pattern", "fan_in_fan_out", "bias", "use_rslora", "use_dora", "lora_bias", "modules_to_save",
        "trainable_token_indices", "target_parameters",
    }
)  # fmt: skip
"""The settings of a LoRA that say what its numbers mean."""

WITHOUT_EFFECT: Final = frozenset(
    {
        "peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision", "inference_mode",
        "lora_dropout", "megatron_core", "qalora_group_size", "runtime_config", "auto_mapping", "ensure_weight_tying",
    }
)  # fmt: skip
"""Settings of the training, or of the place that it was saved from."""

PLAIN_STARTS: Final = (True, False, None, "gaussian", "orthogonal", "eva")
"""How the numbers were drawn before the training, where that left the base model's own as they are."""

PREFIX: Final = "base_model.model."
"""What PEFT writes before a network's own names."""

TOKENS: Final = 24
"""Length of the text on which the merged network is held against the unmerged one."""
TOLERANCE: Final = 1e-4


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder. `name` is what it is called in facts and messages: its folder's name or its hub name."""

    model: str
    folder: Path
    name: str

    @cached_property
    def stated(self) -> dict[str, Any]:
        """The parsed adapter_config.json. Raises FolderMissing, IncompleteModel."""
        if not (self.folder / ADAPTER_CONFIG).is_file():
            raise FolderMissing(
                f"the adapter of {self.model} has no {ADAPTER_CONFIG}; point `adapter` at the folder that PEFT saved"
            )
        return json_object(self.model, self.folder / ADAPTER_CONFIG)

    @property
    def file(self) -> Path:
        """Its weights. Raises UnsafeWeights where they are not in safetensors."""
        if (self.folder / ADAPTER_WEIGHTS).is_file():
            return self.folder / ADAPTER_WEIGHTS
        if any(entry.name.endswith(PICKLED) for entry in self.folder.iterdir()):
            raise UnsafeWeights(
                f"the adapter of {self.model} has its weights only in a file that can run code when it is opened; save "
                f"it as {ADAPTER_WEIGHTS}"
            )
        raise IncompleteModel(f"the adapter of {self.model} has no {ADAPTER_WEIGHTS}; copy its folder again")

    def digest(self, base: str) -> str:
        """SHA-256 in hexadecimal of everything that changes a number: base weights, adapter, its configuration."""
        assert self.stated  # a folder without them is told so first
        own = files_digest([self.file])
        settings = hashlib.sha256((self.folder / ADAPTER_CONFIG).read_bytes()).hexdigest()
        return hashlib.sha256(f"base {base}\nadapter {own}\nsettings {settings}\n".encode()).hexdigest()

    def numbers(self) -> int:
        """How many numbers its weights are."""
        return count_weights(self.model, [self.file])


def merged(adapter: Adapter, source: ModelSource, network: Any) -> tuple[nn.Module, list[str], list[str]]:
    """The network with the adapter in its weights, the adapter's tensors that have no part in it, and notes.

    `network` is in fp32. Raises AdapterRefused for a kind of adapter that is not known or does not fit,
    WeightsWithoutPlace for tensors of it that would be left out, both naming what they are about.
    """
    from attention.model import peft_alone  # PEFT takes as long to load as transformers, and few models have an adapter

    settings = _settings(adapter)
    with stored_tensors(adapter.model, [adapter.file]) as stored:
        tensors = {name: tensor[...] for name, tensor in stored.items()}
    own, ignored = _own_names(tensors, network)
    own = _without_copies(own, network)
    settings = _without_heads(adapter, settings)
    network.float()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = peft_alone.LoraConfig(task_type=None, inference_mode=True, **settings)
            wrapped: Any = peft_alone.get_peft_model(network, asked)
            _fill(adapter, wrapped, own)
            wrapped.eval()
            ids = _text(network)
            before = _states(wrapped, ids)
            found: Any = wrapped.merge_and_unload()
    except ModelRefused:
        raise
    except Exception as error:  # which errors the library raises depends on the adapter
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise AdapterRefused(f"the adapter {adapter.name} cannot be merged into {adapter.model}: {lines[0]}") from error
    _check_same(adapter, before, _states(found, ids))
    if any(type(module).__module__.startswith("peft.") for module in found.modules()):
        raise AdapterRefused(
            f"the adapter {adapter.name} cannot be merged into {adapter.model}: parts of it stay apart"
        )
    found.__dict__.pop("peft_config", None)
    found.eval().requires_grad_(False)
    return found, ignored, list(_notes(adapter, source, own))


def _settings(adapter: Adapter) -> dict[str, Any]:
    """The settings that say what the numbers mean. Raises AdapterRefused for others that are set."""
    stated = adapter.stated
    if stated.get("peft_type") != "LORA":
        raise AdapterRefused(
            f"the adapter {adapter.name} of {adapter.model} is of the type {stated.get('peft_type')}; LORA is merged, "
            "others are not: merge it yourself and serve the whole model"
        )
    start = stated.get("init_lora_weights", True)
    if start not in PLAIN_STARTS:
        raise AdapterRefused(
            f"the adapter {adapter.name} of {adapter.model} was begun with {start}, which changes the base model's own "
            "weights; convert it to a plain LoRA (path_initial_model_for_weight_conversion), or merge it yourself"
        )
    from attention.model import peft_alone

    usual = {field.name: field.default for field in fields(peft_alone.LoraConfig)}
    known = USED | WITHOUT_EFFECT | {"init_lora_weights", "eva_config"}
    for name, value in stated.items():
        if name not in known and value and value != usual.get(name):
            raise AdapterRefused(
                f"the adapter {adapter.name} of {adapter.model} asks for {name}, which is not known to be merged "
                "exactly; merge it yourself and serve the whole model"
            )
    return {name: stated[name] for name in USED if name in stated}


def _without_heads(adapter: Adapter, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without the heads on top, which have no part in what is measured."""
    kept = dict(settings)
    for name in ("target_modules", "modules_to_save"):
        listed = settings.get(name)
        if isinstance(listed, list):
            kept[name] = [each for each in listed if not HEADS.match(str(each))] or None
    if kept.get("target_modules") is None and not kept.get("target_parameters"):
        raise AdapterRefused(
            f"the adapter {adapter.name} of {adapter.model} changes nothing of the network that is measured: it names "
            f"{settings.get('target_modules')}"
        )
    return kept


def _own_names(tensors: Mapping[str, Tensor], network: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The adapter's tensors by the names that they have over this network, and those of heads on top of it."""
    base = f"{network.base_model_prefix}."
    found, ignored = {}, []
    for name, tensor in tensors.items():
        own = name.removeprefix(PREFIX).removeprefix(base)
        if HEADS.match(own):
            ignored.append(own)
        else:
            found[PREFIX + own] = tensor
    return found, ignored


def _without_copies(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """The tensors without copies of the base model's own, which PEFT saves beside some adapters."""
    weights = network.state_dict()

    def copied(name: str) -> bool:
        weight = weights.get(name.removeprefix(PREFIX).replace("base_layer.", ""))
        return weight is not None and torch.equal(weight.float(), tensors[name].float())

    return {name: tensor for name, tensor in tensors.items() if "lora_" in name or not copied(name)}


def _fill(adapter: Adapter, wrapped: Any, tensors: dict[str, Tensor]) -> None:
    """Put every tensor of the adapter in its place, and see that it is there."""
    from attention.model import peft_alone

    places = peft_alone.get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    without = sorted(tensors.keys() - places.keys())
    if without:
        some = ", ".join(name.removeprefix(PREFIX) for name in without[:3])
        raise WeightsWithoutPlace(
            f"the adapter {adapter.name} has {len(without)} tensors that have no place in {adapter.model}, such as "
            f"{some}; serve it over the model that it was trained on ({_base_of(adapter)})"
        )
    lacking = sorted(places.keys() - tensors.keys())
    if lacking:
        raise AdapterRefused(
            f"the adapter {adapter.name} lacks {len(lacking)} tensors that its settings ask for, such as "
            f"{lacking[0].removeprefix(PREFIX)}; copy its folder again"
        )
    for name, tensor in tensors.items():
        if tensor.shape != places[name].shape:
            raise AdapterRefused(
                f"the adapter {adapter.name} does not fit {adapter.model}: {name.removeprefix(PREFIX)} has the shape "
                f"{tuple(tensor.shape)}, where {tuple(places[name].shape)} has its place"
            )
    peft_alone.set_peft_model_state_dict(wrapped, {name: tensor.float() for name, tensor in tensors.items()})
    placed = peft_alone.get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    wrong = [name for name, tensor in tensors.items() if not torch.equal(placed[name].float(), tensor.float())]
    if wrong:
        raise AdapterRefused(
            f"the adapter {adapter.name} cannot be merged into {adapter.model}: {wrong[0].removeprefix(PREFIX)} did "
            "not reach its place"
        )


def _text(network: Any) -> Tensor:
    """Random ids: (1, n)."""
    size = int(network.config.vocab_size)
    return torch.randint(0, size, (1, TOKENS), generator=torch.Generator().manual_seed(0))


def _states(network: Any, ids: Tensor) -> Tensor:
    with torch.inference_mode():
        states: Tensor = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return states


def _check_same(adapter: Adapter, before: Tensor, after: Tensor) -> None:
    error = float((before - after).abs().max())
    allowed = TOLERANCE * max(1.0, float(before.abs().max()))
    if not error <= allowed:  # NaN is refused too
        raise AdapterRefused(
            f"the adapter {adapter.name} merged into {adapter.model} is not what it is unmerged: the states differ by "
            f"{error:.2g}, where at most {allowed:.2g} is rounding"
        )


def _notes(adapter: Adapter, source: ModelSource, tensors: Mapping[str, Tensor]) -> Any:
    base = str(adapter.stated.get("base_model_name_or_path") or "")
    ours = source.hub or (source.path.resolve().name if source.path else "")
    if base and Path(base).name != Path(ours).name:
        yield f"The adapter {adapter.name} says that it was trained on {Path(base).name}, and is merged into {ours}."
    later = [tensor for name, tensor in tensors.items() if "lora_B" in name or "lora_embedding_B" in name]
    if later and not any(bool(tensor.any()) for tensor in later):
        yield f"The adapter {adapter.name} changes nothing: it was never trained."


def _base_of(adapter: Adapter) -> str:
    return Path(str(adapter.stated.get("base_model_name_or_path") or "it does not say which")).name
