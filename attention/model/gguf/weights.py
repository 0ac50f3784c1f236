"""The tensors of a GGUF file under the names of a network's weights, as plain numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

from attention.errors import FamilyNotProven, WeightsWithoutPlace
from attention.model.gguf.header import GgufHeader
from attention.model.tensors import check_complete

ROTARY: Final = "rope_freqs.weight"
"""By what each rotary frequency is divided: how Llama 3.1 and later say their scaling in this format."""

NO_PART: Final = re.compile(r"output\.(?:weight|bias)$")
"""The head on top."""

EXPERTS: Final = re.compile(r"blk\.\d+\.ffn_(?:gate|up|down|gate_up)_(?:exps|projs)\.weight$")
"""All of a layer's experts in one tensor, which transformers' processors take apart."""

WHOLE: Final = "model."
"""What stands before a network's names in the whole model, by which the format's list of names knows most."""
PREFIXES: Final = (WHOLE, "", "transformer.")


def gguf_tensors(model: str, file: Path, header: GgufHeader, outline: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """Every tensor of a checked file by the name of its weight in `outline`, dequantized in fp32 and then in `dtype`.

    `outline` is the network, of which the names are needed. Raises WeightsWithoutPlace for a tensor that it has no
    place for and that has a part in what is measured.
    """
    processor = TENSOR_PROCESSORS.get(header.architecture, TensorProcessor)(config=outline.config.to_dict())
    known = _names(header, outline, processor)
    left_out = [
        name
        for name in header.tensors
        if name not in known and name != ROTARY and not NO_PART.match(name) and not EXPERTS.match(name)
    ]
    if left_out:
        raise WeightsWithoutPlace(
            f"the GGUF file of {model} has {len(left_out)} tensors that would be left out, such as "
            f"{', '.join(left_out[:3])}; serve the model from its safetensors"
        )
    tensors: dict[str, Tensor] = {}
    content = np.memmap(file, np.uint8, "r")
    for name in header.tensors:
        values = _values(header, name, content)
        made = processor.process(
            weights=values, name=name, tensor_key_mapping=known, parsed_parameters={"tensors": tensors}
        )
        if made.name in known:
            tensors[known[made.name]] = torch.from_numpy(np.array(made.weights)).to(dtype)
    _check_places(model, tensors, outline)
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def _check_places(model: str, tensors: dict[str, Tensor], outline: Any) -> None:
    """Raise IncompleteModel where a weight is missing or of another size, before a library makes room for it."""
    weights = dict(outline.named_parameters())
    missing = sorted(weights.keys() - tensors.keys())
    mismatched = sorted(name for name in weights.keys() & tensors.keys() if weights[name].shape != tensors[name].shape)
    loaded = {"missing_keys": missing, "mismatched_keys": mismatched}
    check_complete(model, loaded, outline.config.num_hidden_layers)


def _names(header: GgufHeader, outline: Any, processor: Any) -> dict[str, str]:
    """The format's names of a network's weights, and the network's own."""
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == header.architecture)
    names = gguf.get_tensor_name_map(architecture, outline.config.num_hidden_layers)
    found: dict[str, str] = {}
    for own in outline.state_dict():
        stem, _, suffix = processor.preprocess_name(WHOLE + own).removeprefix(WHOLE).rpartition(".")
        if suffix not in ("weight", "bias"):
            stem, suffix = (f"{stem}.{suffix}" if stem else suffix), ""
        known = next((name for prefix in PREFIXES if (name := names.get_name(prefix + stem))), None)
        ending = f".{suffix}" if suffix else ""
        if known is not None:
            found[known + ending] = own
        else:  # experts that the format has apart and the network has together
            of_experts: dict[str, str] = {}
            processor.perform_fallback_tensor_mapping(of_experts, ending, "", WHOLE + own)
            found |= {name: whole.removeprefix(WHOLE) for name, whole in of_experts.items()}
    return found


def _values(header: GgufHeader, name: str, content: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One tensor in fp32."""
    tensor = header.tensors[name]
    kind = gguf.GGMLQuantizationType[tensor.kind]
    stored = content[tensor.begin : tensor.begin + tensor.size]
    plain = {"F32": np.float32, "F16": np.float16, "F64": np.float64}.get(tensor.kind)
    if plain is not None:
        return np.asarray(stored.view(plain).reshape(tensor.shape), np.float32)
    rows = stored.reshape(gguf.quant_shape_to_byte_shape(tensor.shape, kind))
    return np.asarray(gguf.dequantize(rows, kind), np.float32)


def apply_rotary_factors(model: str, file: Path, header: GgufHeader, network: nn.Module) -> None:
    """Divide a network's rotary frequencies by the factors that the file has, if it has any.

    Raises FamilyNotProven where the network has no frequencies that they could be for.
    """
    if ROTARY not in header.tensors:
        return
    factors = torch.from_numpy(_values(header, ROTARY, np.memmap(file, np.uint8, "r")).copy())
    frequencies = [buffer for name, buffer in network.named_buffers() if name.endswith("inv_freq")]
    if not frequencies or any(each.shape != factors.shape for each in frequencies):
        raise FamilyNotProven(f"the GGUF file of {model} has factors of rotary frequencies that its network has not")
    for each in frequencies:
        each.div_(factors)
