"""A network of transformers with a model's weights in it: nothing missing, nothing left out, nothing run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import nn
from transformers import AutoModel
from transformers.utils import logging

from attention.errors import FamilyNotProven, IncompleteModel, ModelRefused
from attention.hook.attention_function import CAPTURE
from attention.model.devices import too_large
from attention.model.model import ModelSource
from attention.model.tensors import check_complete, dropped_names, harmless

DTYPES: Final = ("float32", "bfloat16", "float16")

SIZES: Final = ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")


class Weights(Protocol):
    """Where a network's weights come from."""

    def tensors(self, outline: nn.Module, dtype: torch.dtype) -> AbstractContextManager[Mapping[str, Any]]:
        """A context in which the tensors are there by the names that they have in `outline`."""

    def finish(self, network: nn.Module) -> None:
        """What is said of the network beside its weights and its configuration."""


def built_network(source: ModelSource, config: Any, weights: Weights, *, towers: bool) -> tuple[nn.Module, list[str]]:
    """The network that `config` describes with its weights, and the tensors that have no part in it.

    In evaluation mode, without gradients, on the CPU, with the capturing attention. `towers` says that it is a part of
    a multimodal model. Raises ModelRefused with the reason, TooLittleMemory where it does not fit.
    """
    if source.dtype not in DTYPES:
        raise IncompleteModel(f"{source.id} asks for the dtype {source.dtype}; write one of {', '.join(DTYPES)}")
    ignored: list[str] = []
    try:
        if source.untrained_seed is not None:
            network = _untrained(config, getattr(torch, source.dtype), source.untrained_seed)
        else:
            network, ignored = _filled(source, config, weights, towers=towers)
    except MemoryError as error:
        raise too_large(source, "cpu") from error
    except ModelRefused:
        raise
    except Exception as error:  # which errors the libraries raise depends on the files
        if isinstance(error, KeyError) and CAPTURE in error.args:  # it looks up attention functions of its own only
            raise FamilyNotProven(
                f"{source.id} ({config.model_type}) computes attention in code of its own that cannot be measured"
            ) from error
        raise IncompleteModel(f"{source.id} cannot be loaded: {reason_of(error)}") from error
    network.eval().requires_grad_(False)
    return network, ignored


def _filled(source: ModelSource, config: Any, weights: Weights, *, towers: bool) -> tuple[Any, list[str]]:
    dtype = getattr(torch, source.dtype)
    with torch.device("meta"):
        outline: Any = _from_config(config, dtype)
    kind, options = type(outline), _options(type(outline))
    with weights.tensors(outline, dtype) as tensors:
        network, loaded = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(tensors),
            dtype=dtype,
            attn_implementation=CAPTURE,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
        dropped = dropped_names(tensors, network, loaded["unexpected_keys"])
        ignored = harmless(source.id, tensors, network, dropped, towers=towers)
    check_complete(source.id, loaded, config.num_hidden_layers)
    weights.finish(network)
    return network, ignored


def _untrained(config: Any, dtype: torch.dtype, seed: int) -> Any:
    """The architecture with its own initial weights, drawn by the seed; torch's global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _from_config(config, dtype)


def _from_config(config: Any, dtype: torch.dtype) -> Any:
    kind = AutoModel._model_mapping[type(config)]
    options = _options(kind) if isinstance(kind, type) else {}
    return AutoModel.from_config(config, dtype=dtype, attn_implementation=CAPTURE, trust_remote_code=False, **options)


def _options(kind: type[Any]) -> dict[str, Any]:
    """Keywords for a class of networks: without a pooler, which has no part in what is measured."""
    return {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}


def check_sizes(config: Any) -> None:
    """Raise ValueError where a configuration does not say how large its network is."""
    for name in SIZES:
        size = getattr(config, name, None)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"its configuration has {size} as {name}")


def reason_of(error: Exception, *places: Path) -> str:
    """The first line of a library's message, without the paths of `places`."""
    text = str(error)
    for place in places:
        text = text.replace(str(place), place.name).replace(str(place.parent), "its folder")
    lines = text.strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
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
