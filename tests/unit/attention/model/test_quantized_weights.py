"""Quantized weights are measured as the numbers that they stand for, or refused by name."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import packing
import pytest
import torch
import transformers
from capture_networks import CONFIGURATIONS, GROUPED
from eager_models import assert_measures
from model_folders import edit_config, edit_weights, network_of, saved
from safetensors.torch import load_file
from torch import Tensor

from attention import errors
from attention.hook.forward_pass import device_of
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.quantization.packed import unpacked
from attention.model.quantization.schemes import format_of
from attention.model.source.entries import weights_digest

WIDE = GROUPED | {"hidden_size": 64, "intermediate_size": 96}
Packed = tuple[dict[str, Tensor], Tensor]


def llama(folder: Path) -> ModelSource:
    return saved(folder, transformers.LlamaConfig(**WIDE, head_dim=16), spread=0.2)


def packed(folder: Path, pack: Callable[[Tensor], Packed], **config: Any) -> ModelSource:
    """A Llama whose linear layers are packed; the drawn network gets the numbers that they stand for."""
    source, meant = llama(folder), network_of(folder)
    means: dict[str, Tensor] = {}

    def change(own: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, weight in own.items():
            if "_proj.weight" in name:
                parts, means[name] = pack(weight)
                found |= {f"{name.removesuffix('weight')}{part}": tensor for part, tensor in parts.items()}
            else:
                found[name] = weight
        return found

    edit_weights(folder, change)
    edit_config(folder, **config)
    with torch.no_grad():
        for name, weight in meant.named_parameters():
            weight.copy_(means.get(name, weight))
    torch.save(meant, folder / "drawn.pt")
    return source


ORDER = np.random.default_rng(3).permutation(96)


def act_order(weight: Tensor) -> Packed:
    return packing.gptq(weight, 4, 32, order=ORDER[weight.shape[1] > ORDER])


PACKED: dict[str, tuple[Callable[[Tensor], Packed], dict[str, Any]]] = {
    "gptq, 4 bits in groups": (lambda w: packing.gptq(w, 4, 32), {"quant_method": "gptq", "bits": 4, "group_size": 32}),
    "gptq, 8 bits in one group": (
        lambda w: packing.gptq(w, 8, w.shape[1]), {"quant_method": "gptq", "bits": 8, "group_size": -1}
    ),
    "gptq, act-order": (act_order, {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True}),
    "gptq, version 2": (
        lambda w: packing.gptq(w, 4, 32, version=2),
        {"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq_v2"},
    ),
    "awq": (
        lambda w: packing.awq(w, 32), {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}
    ),
    "fp8 in blocks": (
        lambda w: packing.float8_blocks(w, 24), {"quant_method": "fp8", "weight_block_size": [24, 24]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PACKED)
def test_packed_weights_are_measured_as_what_they_stand_for(kind: str, tmp_path: Path) -> None:
    pack, config = PACKED[kind]
    source = packed(tmp_path, pack, quantization_config=config)
    model = open_model(source)
    assert_measures(model, network_of(tmp_path))
    assert model.facts.quantization is not None
    assert model.facts.quantization.scheme == config["quant_method"]
    assert model.facts.quantization.dequantized_to == "float32"
    assert {type(each) for each in model.network.modules() if hasattr(each, "in_features")} == {torch.nn.Linear}
    assert getattr(model.network.config, "quantization_config", None) is None
    assert model.facts.weights_sha256 == weights_digest(source)


def test_the_digest_covers_the_way_of_unpacking(tmp_path: Path) -> None:
    pack, config = PACKED["gptq, 4 bits in groups"]
    source = packed(tmp_path, pack, quantization_config=config)
    first = weights_digest(source)
    edit_config(tmp_path, quantization_config=config | {"checkpoint_format": "gptq_v2"})
    assert weights_digest(source) != first


def test_experts_of_gpt_oss_as_published_are_measured(tmp_path: Path) -> None:
    config = CONFIGURATIONS["gpt_oss"]()
    config.intermediate_size = 32
    source, meant = saved(tmp_path, config), network_of(tmp_path)
    state = meant.state_dict()

    def change(own: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, weight in own.items():
            if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
                found[f"{name}_blocks"], found[f"{name}_scales"], stands_for = packing.mxfp4(weight)
                state[name].copy_(stands_for)
            else:
                found[name] = weight
        return found

    edit_weights(tmp_path, change)
    edit_config(
        tmp_path, quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": ["model.embed_tokens"]}
    )
    model = open_model(source)
    assert model.facts.quantization is not None
    assert model.facts.quantization.scheme == "mxfp4"
    assert_measures(model, meant)


def test_experts_of_deepseek_v3_as_published_are_measured_without_the_layer_that_drafts(tmp_path: Path) -> None:
    source = saved(tmp_path / "packed", CONFIGURATIONS["deepseek_v3"]())
    plain = saved(tmp_path / "plain", CONFIGURATIONS["deepseek_v3"]())
    meant: dict[str, Tensor] = {}

    def change(own: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, weight in own.items():
            if "_proj.weight" in name or "_proj_with_mqa.weight" in name:
                parts, meant[name] = packing.float8_blocks(weight, 8)
                found |= {f"model.{name.removesuffix('weight')}{part}": tensor for part, tensor in parts.items()}
            else:
                found[f"model.{name}"] = meant[name] = weight
        drafts = {name.replace(".1.", ".2."): weight for name, weight in found.items() if ".layers.1." in name}
        return found | drafts | {"lm_head.weight": torch.zeros(600, 32)}

    edit_weights(tmp_path / "packed", change)
    edit_weights(tmp_path / "plain", lambda _: meant)
    edit_config(
        tmp_path / "packed",
        num_nextn_predict_layers=1,
        quantization_config={"quant_method": "fp8", "weight_block_size": [8, 8], "activation_scheme": "dynamic"},
    )
    model, wanted = open_model(source), open_model(plain)
    assert sum(".mlp.experts." in name for name in meant) == 3 * 4  # one layer has four experts of three weights
    assert (model.facts.layers, model.facts.parameters) == (2, wanted.facts.parameters)
    assert "lm_head.weight" in model.facts.ignored_tensors
    assert any("layers.*" in name for name in model.facts.ignored_tensors)
    ids = torch.arange(3, 43, device=device_of(model.network))[None]
    with torch.inference_mode():
        torch.testing.assert_close(model.network(ids).last_hidden_state, wanted.network(ids).last_hidden_state)


FOUR = {"quant_method": "bitsandbytes", "load_in_4bit": True}
BY_PACKAGES: dict[str, dict[str, dict[str, Any]]] = {
    "bitsandbytes": {
        "nf4": FOUR,
        "fp4": FOUR,
        "nf4 nested": FOUR,
        "nf4 nested bfloat16": FOUR,
        "int8": {"quant_method": "bitsandbytes", "load_in_8bit": True},
    },
    "compressed-tensors": {
        f"{form} {bits} {strategy}": {
            "quant_method": "compressed-tensors",
            "format": form,
            "config_groups": {"group_0": {"weights": {"num_bits": bits, "strategy": strategy.split(" ")[0]}}},
        }
        for form, bits, strategy in (
            ("pack-quantized", 4, "group"),
            ("pack-quantized", 8, "channel"),
            ("int-quantized", 8, "channel"),
            ("float-quantized", 8, "channel"),
            ("pack-quantized", 4, "group asymmetric"),
            ("int-quantized", 8, "channel asymmetric"),
        )
    },
}


@pytest.mark.parametrize("package", BY_PACKAGES)
def test_weights_packed_by_a_package_stand_for_what_the_package_says(package: str, tmp_path: Path) -> None:
    kinds = BY_PACKAGES[package]
    script = Path(packing.__file__).with_name("packing_by_packages.py")
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path), package, *kinds]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    for kind, config in kinds.items():
        stored = load_file(tmp_path / f"{kind}.safetensors")
        meant = stored.pop("meant")
        form = format_of("tiny", {"quantization_config": config})
        assert form is not None
        found = unpacked(form, {f"layers.0.q_proj.{part}": tensor for part, tensor in stored.items()})
        assert list(found) == ["layers.0.q_proj.weight"], kind
        torch.testing.assert_close(found["layers.0.q_proj.weight"][...], meant, rtol=1e-6, atol=1e-7)


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "a method that is not known": ({"quant_method": "aqlm"}, "quantized by aqlm"),
    "no method": ({"bits": 4}, "a method that is not named"),
    "three bits": ({"quant_method": "gptq", "bits": 3}, "bits = 3"),
    "awq in 8 bits": ({"quant_method": "awq", "bits": 8}, "bits = 8"),
    "awq in another order": ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "version = gemv"),
    "sparse weights": (
        {"quant_method": "compressed-tensors", "format": "float-quantized", "sparsity_config": {"format": "sparse-24"}},
        "sparse",
    ),
    "a packed form that is not known": (
        {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "format = nvfp4-pack-quantized"
    ),
    "weights transformed while they are used": (
        {
            "quant_method": "compressed-tensors",
            "format": "float-quantized",
            "transform_config": {"config_groups": {"R3": {"type": "hadamard"}}},
        },
        "transform_config",
    ),
    "awq of llm-awq": ({"quant_method": "awq", "bits": 4, "version": "gemm", "backend": "llm-awq"}, "llm-awq"),
    "awq in another order, by its newer name": ({"quant_method": "awq", "bits": 4, "format": "gemv"}, "format = gemv"),
    "gptq for one kernel": ({"quant_method": "gptq", "bits": 4, "format": "marlin"}, "checkpoint_format = marlin"),
    "blocks of no shape": ({"quant_method": "fp8", "weight_block_size": 128}, "blocks of 128"),
    "no object": ([4], "does not say how"),  # type: ignore[dict-item]
}  # fmt: skip


@pytest.mark.parametrize("place", ["quantization_config", "compression_config"])
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_form_that_is_not_known_is_refused_by_name(kind: str, place: str, tmp_path: Path) -> None:
    config, match = UNKNOWN[kind]
    source = llama(tmp_path)
    edit_config(tmp_path, **{place: config})
    with pytest.raises(errors.QuantizationUnknown, match=match):
        open_model(source)


@pytest.mark.parametrize("place", ["quantization_config", "compression_config"])
def test_scales_beside_weights_are_used_wherever_the_scheme_is_named(place: str, tmp_path: Path) -> None:
    config = BY_PACKAGES["compressed-tensors"]["float-quantized 8 channel"]

    def pack(weight: Tensor) -> Packed:
        scale = weight.abs().amax(1, keepdim=True) / 448
        low = (weight / scale).to(torch.float8_e4m3fn)
        return {"weight": low, "weight_scale": scale}, low.float() * scale

    assert_measures(open_model(packed(tmp_path, pack, **{place: config})), network_of(tmp_path))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.uint8])
def test_weights_of_low_precision_without_a_scheme_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    source = llama(tmp_path)
    edit_weights(tmp_path, lambda own: {n: t.to(dtype) if "q_proj" in n else t for n, t in own.items()})
    with pytest.raises(errors.QuantizationUnknown, match=r"2 weights of low precision, .*layers\.0\.self_attn\.q_proj"):
        open_model(source)


def one(parts: dict[str, Tensor], config: dict[str, Any], place: str = "quantization_config") -> Tensor:
    """The weight that the parts of one module make under a configuration."""
    form = format_of("tiny", {place: config})
    assert form is not None
    weight: Tensor = unpacked(form, {f"layers.0.q_proj.{part}": tensor for part, tensor in parts.items()})[
        "layers.0.q_proj.weight"
    ][...]
    return weight


def drawn() -> Tensor:
    return torch.randn(96, 64, generator=torch.Generator().manual_seed(0)) * 0.1


def int8() -> dict[str, Tensor]:
    return {"weight": (drawn() * 100).round().to(torch.int8), "SCB": torch.full((96,), 1.27)}


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 16}
INT8 = {"quant_method": "bitsandbytes", "load_in_8bit": True}
COMPRESSED = BY_PACKAGES["compressed-tensors"]["float-quantized 8 channel"]
MISFITS: dict[str, tuple[Callable[[], dict[str, Tensor]], dict[str, Any], str]] = {
    "gptq in groups of another size": (
        lambda: {part: t for part, t in packing.gptq(drawn(), 4, 16)[0].items() if part != "g_idx"},
        GPTQ | {"group_size": 32},
        "4 groups of scales for 64 inputs, where its configuration says 32",
    ),
    "gptq by act-order, without the order": (
        lambda: {part: t for part, t in packing.gptq(drawn(), 4, 16)[0].items() if part != "g_idx"},
        GPTQ | {"desc_act": True},
        "g_idx",
    ),
    "gptq with a group that is not there": (
        lambda: (parts := packing.gptq(drawn(), 4, 16)[0]) | {"g_idx": parts["g_idx"] - 1}, GPTQ, "do not fit"
    ),
    "gptq in other bits than are said": (lambda: packing.gptq(drawn(), 8, 16)[0], GPTQ, "do not fit"),
    "awq in groups of another size": (
        lambda: packing.awq(drawn(), 16)[0], {"quant_method": "awq", "bits": 4}, "says 128 inputs to a group"
    ),
    "fp8 in blocks of another size": (
        lambda: packing.float8_blocks(drawn(), 16)[0],
        {"quant_method": "fp8", "weight_block_size": [24, 24]},
        r"scales of the shape \(6, 4\)",
    ),
    "fp8 in blocks that are not said": (
        lambda: packing.float8_blocks(drawn(), 16)[0], {"quant_method": "fp8"}, r"scales of the shape \(6, 4\)"
    ),
    "fp8 that is plain already": (
        lambda: packing.float8_blocks(drawn(), 16)[0] | {"weight": drawn().bfloat16()},
        {"quant_method": "fp8", "weight_block_size": [16, 16]},
        "stored as torch.bfloat16",
    ),
    "int8 that is plain already": (lambda: int8() | {"weight": drawn()}, INT8, "stored as torch.float32"),
    "int8 in a kernel's order": (
        lambda: int8() | {"weight_format": torch.tensor(2, dtype=torch.uint8)}, INT8, "order of one GPU's kernels"
    ),
    "compressed-tensors that are plain already": (
        lambda: {"weight": drawn(), "weight_scale": torch.ones(96, 1)}, COMPRESSED, "stored as torch.float32"
    ),
    "compressed-tensors with a group that is not there": (
        lambda: {
            "weight": int8()["weight"],
            "weight_scale": torch.ones(96, 2),
            "weight_g_idx": torch.arange(64) // 16,
        },
        BY_PACKAGES["compressed-tensors"]["int-quantized 8 channel"],
        "weight_g_idx",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
def test_parts_that_do_not_fit_what_is_said_of_them_are_refused(kind: str) -> None:
    parts, config, match = MISFITS[kind]
    with pytest.raises(errors.QuantizationUnknown, match=match):
        one(parts(), config)


def test_the_version_of_gptq_is_read_under_its_newer_name() -> None:
    parts, meant = packing.gptq(drawn(), 4, 16, version=2)
    torch.testing.assert_close(one(parts, GPTQ | {"format": "gptq_v2"}), meant)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("form", ["int-quantized", "pack-quantized"])
def test_compressed_tensors_in_groups_by_act_order(form: str, ordered: bool) -> None:
    drawing = torch.Generator().manual_seed(0)
    q = torch.randint(-8, 8, (96, 64), generator=drawing)
    scale, zero = torch.rand(96, 2, generator=drawing), torch.randint(-8, 8, (96, 2), generator=drawing)
    group = torch.randperm(64, generator=drawing) // 32 if ordered else torch.arange(64) // 32
    meant = torch.tensor(
        [[float(q[o, i] - zero[o, g]) * float(scale[o, g]) for i, g in enumerate(group.tolist())] for o in range(96)]
    )
    if form == "pack-quantized":
        parts = {
            "weight_packed": packing.along_columns((q + 8).numpy(), 4),
            "weight_zero_point": packing.along_rows((zero + 8).numpy(), 4),
            "weight_shape": torch.tensor([96, 64]),
        }
    else:
        parts = {"weight": q.to(torch.int8), "weight_zero_point": zero.to(torch.int8)}
    parts |= {"weight_scale": scale, "weight_g_idx": (group if ordered else torch.full((64,), -1)).int()}
    config = {
        "quant_method": "compressed-tensors",
        "format": form,
        "config_groups": {"group_0": {"weights": {"num_bits": 4, "strategy": "group", "group_size": 32}}},
    }
    torch.testing.assert_close(one(parts, config), meant)


def test_settings_that_only_compressed_tensors_writes_need_no_method() -> None:
    config = {name: value for name, value in COMPRESSED.items() if name != "quant_method"}
    scale = torch.full((96, 1), 0.01)
    low = (drawn() / scale).to(torch.float8_e4m3fn)
    found = one({"weight": low, "weight_scale": scale}, config, "compression_config")
    torch.testing.assert_close(found, low.float() * scale)


def test_scales_of_what_goes_in_are_shown_as_having_no_part(tmp_path: Path) -> None:
    pack, config = PACKED["fp8 in blocks"]

    def with_scales_of_inputs(weight: Tensor) -> Packed:
        parts, meant = pack(weight)
        return parts | {"input_scale": torch.ones(1), "input_zero_point": torch.zeros(1, dtype=torch.int8)}, meant

    source = packed(tmp_path, with_scales_of_inputs, quantization_config=config)
    edit_weights(tmp_path, lambda own: own | {"layers.0.self_attn.k_scale": torch.ones(1)})
    model = open_model(source)
    assert_measures(model, network_of(tmp_path))
    assert "layers.*.self_attn.q_proj.input_scale" in model.facts.ignored_tensors
    assert "layers.*.self_attn.k_scale" in model.facts.ignored_tensors


def test_scales_beside_plain_weights_may_be_the_networks_own(tmp_path: Path) -> None:
    source = llama(tmp_path)
    edit_weights(tmp_path, lambda own: own | {"layers.0.self_attn.k_scale": torch.ones(1)})
    with pytest.raises(errors.WeightsWithoutPlace, match="k_scale"):
        open_model(source)


def test_plain_weights_under_the_name_of_a_format_are_not_called_quantized(tmp_path: Path) -> None:
    source = llama(tmp_path)
    plain = weights_digest(source)
    edit_config(tmp_path, quantization_config=FOUR)
    model = open_model(source)
    assert model.facts.quantization is None
    assert model.facts.weights_sha256 == plain
    assert "its weights are plain" in " ".join(model.facts.notes)
    assert_measures(model, network_of(tmp_path))
