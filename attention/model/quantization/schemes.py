"""Which format a model's configuration says its weights are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attention.errors import QuantizationUnknown
from attention.model.quantization.awq import Awq
from attention.model.quantization.bitsandbytes import EightBits, FourBits
from attention.model.quantization.compressed import CompressedTensors
from attention.model.quantization.float8 import Float8
from attention.model.quantization.gptq import Gptq
from attention.model.quantization.mxfp4 import Mxfp4
from attention.model.quantization.packed import Format

SETTINGS: Final = ("quantization_config", "compression_config")
"""Where a configuration names the format; transformers reads the first alone."""

FORMATS: Final[dict[str, Callable[[str, Mapping[str, Any]], Format]]] = {
    "gptq": Gptq,
    "awq": Awq,
    "fp8": Float8,
    "fbgemm_fp8": Float8,
    "mxfp4": Mxfp4,
    "compressed-tensors": CompressedTensors,
}


def format_of(model: str, config: Mapping[str, Any]) -> Format | None:
    """The format of a model's weights from its `config.json`; None for plain numbers.

    Raises QuantizationUnknown for a format, or a form of one, that cannot be read exactly.
    """
    parts = (config, config.get("text_config") or {})
    stated = next((part[name] for part in parts for name in SETTINGS if part.get(name)), None)
    if stated is None:
        return None
    if not isinstance(stated, Mapping):
        raise QuantizationUnknown(f"the configuration of {model} does not say how its weights are quantized")
    method = str(stated.get("quant_method") or _unnamed(config, stated))
    if stated.get("load_in_4bit") or stated.get("_load_in_4bit"):
        return FourBits(model, stated)
    if stated.get("load_in_8bit") or stated.get("_load_in_8bit"):
        return EightBits(model, stated)
    if method not in FORMATS:
        raise QuantizationUnknown(
            f"the weights of {model} are quantized by {method or 'a method that is not named'}, which cannot be read; "
            f"serve the model from plain weights (read are bitsandbytes, {', '.join(FORMATS)})"
        )
    return FORMATS[method](model, stated)


def _unnamed(config: Mapping[str, Any], stated: Mapping[str, Any]) -> str:
    """The method of settings that do not name it. Only compressed-tensors ever wrote `compression_config`."""
    return "compressed-tensors" if stated is config.get("compression_config") and "config_groups" in stated else ""
