"""Weights packed and unpacked by the packages whose formats they are: parts and what they mean, in a folder."""

import sys

import torch
from safetensors.torch import save_file


def by_bitsandbytes(weight: torch.Tensor, kind: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    import bitsandbytes.functional as bnb

    if kind == "int8":
        scale = weight.abs().amax(1)
        packed = (weight / scale[:, None] * 127).round().to(torch.int8)
        return {"weight": packed, "SCB": scale}, bnb.int8_vectorwise_dequant(packed, scale)
    name, *options = kind.split(" ")
    packed, state = bnb.quantize_4bit(
        weight,
        blocksize=64,
        quant_type=name,
        compress_statistics="nested" in options,
        quant_storage=torch.bfloat16 if "bfloat16" in options else torch.uint8,
    )
    parts = {f"weight.{name}": value for name, value in state.as_dict(packed=True).items()}
    return {"weight": packed} | parts, bnb.dequantize_4bit(packed, state)


def by_compressed_tensors(weight: torch.Tensor, kind: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    form, bits, strategy, *asymmetric = kind.split(" ")
    of_floats, size = form == "float-quantized", 32 if strategy == "group" else weight.shape[1]
    scale = weight.reshape(len(weight), -1, size).abs().amax(-1) / (448.0 if of_floats else 2.0 ** (int(bits) - 1) - 1)
    zero = torch.arange(scale.numel()).reshape(scale.shape).remainder(5).sub(2).to(torch.int8)
    arguments = QuantizationArgs(
        num_bits=int(bits),
        type="float" if of_floats else "int",
        strategy=strategy,
        group_size=size if strategy == "group" else None,
        symmetric=not asymmetric,
    )
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    compressor = BaseCompressor.get_value_from_registry(form)
    given = {"weight": weight, "weight_scale": scale} | ({"weight_zero_point": zero} if asymmetric else {})
    parts = compressor.compress(given, scheme=scheme)
    return parts, compressor.decompress(dict(parts), scheme=scheme)["weight"]


if __name__ == "__main__":
    folder, package, *kinds = sys.argv[1:]
    pack = {"bitsandbytes": by_bitsandbytes, "compressed-tensors": by_compressed_tensors}[package]
    for kind in kinds:
        torch.manual_seed(0)
        parts, meant = pack(torch.randn(96, 64) * 0.1, kind)
        tensors = {name: tensor.contiguous() for name, tensor in parts.items()}
        save_file(tensors | {"meant": meant.float().contiguous()}, f"{folder}/{kind}.safetensors")
