"""Open a model safely and say what it can do.

Nothing that comes with a model is run: weights are read from safetensors files, the network's code is that of
transformers, and a model is measured only once its attention is proven (`families.py`, `proof.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from attention.errors import (
    FamilyNotProven,
    IncompleteModel,
    WrongDigest,
)
from attention.kernels import kernel_name
from attention.model.adapter import merged
from attention.model.checks.kept_proof import proven
from attention.model.checks.proof import Proof
from attention.model.checks.steady import steady_length
from attention.model.checks.vocabulary import check_vocabulary, rows_of
from attention.model.devices import chosen_devices, name_of, placed
from attention.model.model import Model, ModelFacts, ModelSource, Quantization
from attention.model.network import built_network, quiet
from attention.model.source.entries import adapter_of, checkpoint_of
from attention.text.tokens import token_reader


def open_model(source: ModelSource) -> Model:
    """Load a model: checks first, then tokenizer and weights, in evaluation mode and without gradients.

    Raises ModelRefused (unsafe files, wrong digest, missing weights, an architecture that is not proven) or
    ModelUnavailable (no folder, no hub, no device), each saying what to do.
    """
    checkpoint = checkpoint_of(source)
    adapter = adapter_of(source)
    own = checkpoint.files_digest
    if source.sha256 is not None and own != source.sha256.lower():
        raise WrongDigest(
            f"the weights of {source.id} have the SHA-256 {own}, not {source.sha256} as the models file asks; "
            "fetch them again from where that digest was published"
        )
    revision = source.revision or checkpoint.revision
    digest = checkpoint.digest
    if adapter is not None:
        digest = adapter.digest(digest)
        revision = f"{revision} with {adapter.name} {digest[:8]}"
    if source.untrained_seed is not None:
        revision = f"{revision} untrained {source.untrained_seed}"
    devices = chosen_devices(source)
    with quiet():
        tokenizer = checkpoint.tokenizer()
        config, towers = checkpoint.configured()
        notes = [*source.notes, *checkpoint.notes(tokenizer)]
        if adapter is None:
            network, ignored = built_network(source, config, checkpoint, towers=towers)
        else:
            network, ignored = built_network(replace(source, dtype="float32"), config, checkpoint, towers=towers)
            network, of_adapter, said = merged(adapter, source, network)
            network = network.to(getattr(torch, source.dtype))
            ignored, notes = sorted({*ignored, *of_adapter}), notes + said
        if source.untrained_seed is not None:
            digest = _untrained_digest(config, source.untrained_seed)
        notes += check_vocabulary(source.id, tokenizer, rows_of(network))
        network = placed(source, network, devices)
        proof = proven(network, source.id, digest, source.proofs)
    scheme = checkpoint.scheme
    facts = ModelFacts(
        architecture=str(config.model_type),
        revision=revision,
        weights_sha256=digest,
        layers=len(proof.attending_layers),
        attending_layers=proof.attending_layers,
        heads=proof.heads,
        key_value_heads=max(proof.key_value_heads),
        head_size=proof.head_size,
        hidden_size=proof.hidden_size,
        context=_context(source, network),
        causal=proof.causal,
        parameters=sum(weight.numel() for weight in network.parameters()),
        dtype=source.dtype,
        device=name_of(devices),
        kernel=kernel_name(devices[0]),
        vocabulary=rows_of(network),
        special_tokens=token_reader(tokenizer).around,
        ignored_tensors=tuple(ignored),
        quantization=None if scheme is None else Quantization(scheme, source.dtype),
        adapter=None if adapter is None else adapter.name,
        notes=(*notes, *_notes(proof, towers=towers)),
    )
    return Model(source=source, facts=facts, tokenizer=tokenizer, network=network)


def _notes(proof: Proof, *, towers: bool) -> Iterator[str]:
    if towers:
        yield "The language model of a multimodal model: its vision and sound are left out."
    if len(proof.key_value_heads) > 1:
        numbers = ", ".join(map(str, proof.key_value_heads))
        yield f"Its layers have different numbers of key heads: {numbers}."


def _context(source: ModelSource, network: nn.Module) -> int:
    """The longest window in tokens. Raises FamilyNotProven where numbers would depend on more than the document."""
    limits = [limit for limit in (_positions(network), source.max_tokens) if limit is not None]
    if not limits:
        raise IncompleteModel(
            f"the configuration of {source.id} does not say how many tokens it reads at once; set `max_tokens` in the "
            "models file"
        )
    config: Any = network.config
    steady = steady_length(config.to_dict())
    if steady is not None and min(limits) > steady.tokens:
        remedy = (
            f"; with `max_tokens = {steady.tokens}` in the models file it is measured" if steady.tokens >= 8 else ""
        )
        raise FamilyNotProven(
            f"{source.id} ({config.model_type}) would give a document other numbers in other company: {steady.beyond}"
            f"{remedy}"
        )
    return min(limits)


def _positions(network: nn.Module) -> int | None:
    """Tokens the network reads at once, less learned positions kept for padding; None where it does not say."""
    settings: Any = network.config
    limit = getattr(settings, "max_position_embeddings", None)
    if not isinstance(limit, int):
        return None
    for name, module in network.named_modules():
        if isinstance(module, nn.Embedding) and "position" in name and module.padding_idx is not None:
            limit = min(limit, module.num_embeddings - module.padding_idx - 1)
    return limit


def _untrained_digest(config: Any, seed: int) -> str:
    """The digest that stands for random weights: of the configuration, the seed and torch's version."""
    named = f"untrained {seed} torch {torch.__version__} {config.to_json_string(use_diff=False)}"
    return hashlib.sha256(named.encode()).hexdigest()
