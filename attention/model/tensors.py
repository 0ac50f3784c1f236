"""Every tensor of a model's files and every weight of its network, held against each other.

A tensor that has no place in the network would be dropped, and the numbers would be those of another model. What is
dropped must therefore be known to have no part in what is measured: heads on top, poolers, buffers that the network
computes for itself, draft layers, the towers of a multimodal model that read no text. Anything else is refused by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from attention.errors import IncompleteModel, QuantizationUnknown, WeightsWithoutPlace

WRAPPED: Final = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|base_layer|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What wrappers put into names: compiled modules, adapters, sharded and checkpointed training."""

HEADS: Final = re.compile(
    r"(?:lm_heads?|score|classifier|classification_head|cls|qa_outputs|embed_out|predictions|sop_classifier|pred_layer"
    r"|vocab_(?:transform|layer_norm|projector)|pre_classifier|generator_(?:predictions|lm_head)|final_logits_bias"
    r"|discriminator_predictions|head|pooler|(?:v|value|reward|score|regression|mlm|nsp)_head)(?:$|\.)"
    r"|decoder\.(?:weight|bias)$"
)
"""What stands on top of a network: heads that make words or classes of its states, and poolers."""

BUFFERS: Final = re.compile(
    r"(?:.*\.)?(?:(?:rotary_emb|rotary|rotary_pos_emb)\.(?:(?:original_)?inv_freq|cos_cached|sin_cached)"
    r"|position_ids|token_type_ids)$"
)
"""What a network computes for itself; older files hold it all the same."""

CAUSAL_MASK: Final = re.compile(r".*\b(?:attn|attention)\.(?:bias|masked_bias)$")
"""The causal mask of GPT-2 and GPT-NeoX, four-dimensional, and the number that it hides with."""

LOW_PRECISION: Final = re.compile(r"F4|F6_.*|F8_.*|[IU](?:8|16|32)")
"""Types of safetensors that hold no weights unless something says what they stand for."""

DRAFTS: Final = re.compile(r"(?:mtp|mtp_layers|mtp_block)(?:$|\.)")
"""Layers that draft further words."""

LAYER: Final = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.")

HINTS: Final = (
    (
        re.compile(r"lora_|\.dora|adapter"),
        "they belong to an adapter: merge it into the weights before saving them, or name its folder as `adapter`",
    ),
    (
        re.compile(r"scale|SCB|qweight|qzeros|Qidxs|codebook|absmax|quant|blocks$|scales$"),
        "they belong to quantized weights, and its configuration does not say how these are to be read",
    ),
    (
        re.compile(r"\.bias$"),
        "its configuration asks for no such biases; correct it to what the model was trained with (attention_bias: "
        "true or its like)",
    ),
)
NO_PLACE: Final = "the network that its configuration describes has no place for them; correct its configuration"


@dataclass(frozen=True)
class OfActivations:
    """A stored tensor that says how quantized weights' inputs, outputs or cache are quantized; here they are not."""

    tensor: Any

    def __getitem__(self, place: Any) -> Any:
        return self.tensor[place]

    def get_shape(self) -> list[int]:
        """As slices of safetensors have it."""
        return list(self.tensor.get_shape())

    def get_dtype(self) -> str:
        """As slices of safetensors have it."""
        return str(self.tensor.get_dtype())


@contextmanager
def stored_tensors(model: str, files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Every tensor of safetensors files by name, not yet read: slices that are valid while the context lasts.

    Raises IncompleteModel for a damaged file, or for a name that two files have.
    """
    with ExitStack() as opened:
        found: dict[str, Any] = {}
        for file in files:
            try:
                stored = opened.enter_context(safe_open(file, framework="pt"))
            except SafetensorError as error:
                raise IncompleteModel(f"the weights' file {file.name} of {model} cannot be loaded: {error}") from error
            for name in stored.keys():  # noqa: SIM118 - it is no mapping
                if name in found:
                    raise IncompleteModel(f"two files of {model} have the tensor {name}; keep the one that is meant")
                found[name] = stored.get_slice(name)
        yield found


def check_plain(model: str, stored: Mapping[str, Any]) -> None:
    """Raise QuantizationUnknown where weights are packed or of low precision, and nothing says how to read them."""
    found = [
        name
        for name, tensor in stored.items()
        if LOW_PRECISION.fullmatch(tensor.get_dtype())
        and not (BUFFERS.match(name) or isinstance(tensor, OfActivations))
    ]
    if found:
        raise QuantizationUnknown(
            f"the files of {model} have {len(found)} weights of low precision, such as {', '.join(found[:3])}, and its "
            "configuration does not say how they are to be read (quantization_config)"
        )


def under_own_names(model: str, stored: Mapping[str, Any], network: nn.Module) -> dict[str, Any]:
    """The tensors without what wrappers and surrounding models put before their names.

    `network` is the one that they are for, of which only the names are needed. Where a whole model was saved of which
    it is a part, its tensors are found by the prefix that its embedding has; those of other parts keep their names.
    Raises WeightsWithoutPlace where two tensors would have one name.
    """
    plain = _unwrapped(model, stored)
    wanted = set(network.state_dict())
    base = str(getattr(network, "base_model_prefix", ""))
    prefix = _prefix(model, plain, wanted, _embedding(network))
    if prefix in ("", base):
        return plain
    parts = prefix.split(".")
    outer = re.compile("|".join(re.escape(".".join(parts[:place]) + ".") for place in range(len(parts), 0, -1)))
    moved = {(name[found.end() :] if (found := outer.match(name)) else name): t for name, t in plain.items()}
    if len(moved) < len(plain):
        raise WeightsWithoutPlace(f"the files of {model} have weights both with and without `{prefix}.` before them")
    return moved


def _unwrapped(model: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, tensor in stored.items():
        own = WRAPPED.sub("", name)
        if own in found:
            raise WeightsWithoutPlace(f"the files of {model} have {own} twice, with and without a wrapper's name in it")
        found[own] = tensor
    return found


def _embedding(network: Any) -> str | None:
    """The name of a network's table of input embeddings."""
    try:
        table = network.get_input_embeddings().weight
    except (AttributeError, NotImplementedError):
        return None
    return next((name for name, weight in network.named_parameters() if weight is table), None)


def _prefix(model: str, names: Iterable[str], wanted: set[str], embedding: str | None) -> str:
    """What stands before the network's names in its files: what most have, of those that have its embedding."""
    counts: Counter[str] = Counter()
    with_embedding = set()
    for name in names:
        parts = name.split(".")
        for place in range(len(parts)):
            rest = ".".join(parts[place:])
            if rest in wanted:
                prefix = ".".join(parts[:place])
                counts[prefix] += 1
                if rest == embedding:
                    with_embedding.add(prefix)
                break
    likely = [prefix for prefix, _ in counts.most_common() if not with_embedding or prefix in with_embedding]
    if len(likely) > 1 and counts[likely[0]] == counts[likely[1]]:
        raise WeightsWithoutPlace(
            f"the files of {model} hold two sets of weights for its network, under `{likely[0]}.` and `{likely[1]}.`"
        )
    return likely[0] if likely else ""


def dropped_names(stored: Mapping[str, Any], network: Any, unexpected: Iterable[str]) -> list[str]:
    """The tensors that were not loaded: what transformers says, and what its networks ignore without saying so."""
    ignored = [*(getattr(network, "_keys_to_ignore_on_load_unexpected", None) or ()), "inv_freq", "position_ids"]
    pattern = re.compile("|".join(f"(?:{each})" for each in ignored))
    own = set(network.state_dict())
    base = f"{network.base_model_prefix}."
    silent = (
        name for name in stored if pattern.search(name) and not {name, name.removeprefix(base), base + name} & own
    )
    return sorted({*unexpected, *silent})


def harmless(model: str, stored: Mapping[str, Any], network: Any, dropped: Iterable[str], *, towers: bool) -> list[str]:
    """The dropped tensors, each of which has no part in what is measured; numbers in their names are written `*`.

    `towers` says that the network is the text part of a multimodal model, whose other parts read no text.
    Raises WeightsWithoutPlace for the others, with the likely reason.
    """
    config = network.config
    base = f"{network.base_model_prefix}."
    inside = {name.partition(".")[0] for name in network.state_dict()}
    passed, refused = [], []
    for name in dropped:
        own = name.removeprefix(base)
        part = own.partition(".")[0]
        if towers and part not in inside and not HEADS.match(own):
            passed.append(f"{part}.*")
        elif _no_part(own, stored.get(name), network, config):
            passed.append(re.sub(r"\d+", "*", name))
        else:
            refused.append(name)
    if refused:
        raise WeightsWithoutPlace(_refusal(model, refused, config))
    return sorted(set(passed))


def _no_part(name: str, tensor: Any, network: Any, config: Any) -> bool:
    if HEADS.match(name) or DRAFTS.match(name) or isinstance(tensor, OfActivations):
        return True
    if BUFFERS.match(name):
        return not name.endswith("inv_freq") or _same_frequencies(tensor, network)
    if CAUSAL_MASK.match(name) and tensor is not None and len(tensor.get_shape()) in (0, 4):
        return True
    layer = LAYER.search(name)
    drafts = int(getattr(config, "num_nextn_predict_layers", 0) or 0)
    if layer and config.num_hidden_layers <= int(layer[1]) < config.num_hidden_layers + drafts:
        return True
    return name.endswith(".bias") and tensor is not None and not bool(_read(tensor).any())  # it adds nothing


def _same_frequencies(tensor: Any, network: nn.Module) -> bool:
    """Whether stored rotary frequencies are those that the network computes: files round them to their dtype."""
    own = [buffer for name, buffer in network.named_buffers() if name.endswith("inv_freq")]
    if tensor is None or not own:
        return True
    found = _read(tensor).double()
    return any(each.shape == found.shape and torch.allclose(each.double().cpu(), found, rtol=1e-2) for each in own)


def _read(tensor: Any) -> Tensor:
    values: Tensor = tensor[...]
    return values


def _refusal(model: str, names: list[str], config: Any) -> str:
    beyond = sorted(
        {int(found[1]) for name in names if (found := LAYER.search(name))} - {*range(config.num_hidden_layers)}
    )
    if beyond:
        reason = f"they are of layer {beyond[0]} and on, where its configuration has {config.num_hidden_layers} layers"
    else:
        reason = next((hint for pattern, hint in HINTS if any(map(pattern.search, names))), NO_PLACE)
    some = ", ".join(names[:3])
    return f"the files of {model} have {len(names)} weights that would be left out, such as {some}: {reason}"


def check_complete(model: str, loaded: Mapping[str, Any], layers: int) -> None:
    """Raise IncompleteModel where weights of the network were not in the files, from what transformers reports."""
    mismatched = (name if isinstance(name, str) else name[0] for name in loaded.get("mismatched_keys", ()))
    lacking = sorted({*loaded.get("missing_keys", ()), *mismatched})
    if not lacking:
        return
    absent = sorted({int(found[1]) for name in lacking if (found := LAYER.search(name))})
    whole = (
        f"; its configuration has {layers} layers, and layer {absent[0]} is not whole in the files" if absent else ""
    )
    raise IncompleteModel(
        f"the weights of {model} lack {len(lacking)} that the network needs, such as {lacking[0]}; "
        f"they would be random numbers{whole}"
    )
