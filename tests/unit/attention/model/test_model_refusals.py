"""A model that cannot be measured exactly or safely is refused by name, with the remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model

from attention import errors
from attention.model.checks.families import proven_family
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source.entries import weights_digest


def tiny(tmp_path: Path, **options: Any) -> ModelSource:
    return ModelSource(id="tiny", path=tiny_model(tmp_path / "model"), **options)


def change(source: ModelSource, name: str, **settings: Any) -> None:
    assert source.path is not None
    file = source.path / name
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize("kind", ["bloom", "falcon", "gptj", "gpt_neo", "deberta-v2"])
def test_a_family_with_attention_of_its_own_is_refused_by_name(kind: str) -> None:
    with pytest.raises(errors.FamilyNotProven, match=f"tiny is of the family {kind}.*proven are bert, .*gpt2, .*llama"):
        proven_family("tiny", {"model_type": kind})


@pytest.mark.parametrize("kind", ["mamba", "rwkv"])
def test_a_model_without_attention_is_refused_as_such(kind: str) -> None:
    with pytest.raises(errors.AttentionFree, match=kind):
        proven_family("tiny", {"model_type": kind})


def test_an_encoder_decoder_is_refused_as_such() -> None:
    with pytest.raises(errors.EncoderDecoder, match=r"encoder-decoder \(t5\)"):
        proven_family("tiny", {"model_type": "t5", "is_encoder_decoder": True})


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "llama", "fusion_config": {"x": True}}, "fused"),
        ({"model_type": "llama", "transformers_weights": "other.safetensors"}, "own weights file"),
        ({"model_type": "bert", "is_decoder": True}, "as a decoder"),
        ({"model_type": "llama", "is_causal": False}, "look ahead"),
        ({"model_type": "gpt2", "add_cross_attention": True}, "cross-attention"),
        ({"model_type": ""}, "no model_type"),
        ({}, "no model_type"),
    ],
)
def test_a_proven_family_in_an_unproven_form_is_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(errors.FamilyNotProven, match=reason):
        proven_family("tiny", config)


def test_rescaled_positions_that_depend_on_the_token_alone_are_taken(tmp_path: Path) -> None:
    source = tiny(tmp_path)
    change(source, "config.json", rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0})
    assert open_model(source).facts.context == 128


def test_weights_with_another_digest_are_refused(tmp_path: Path) -> None:
    source = tiny(tmp_path, sha256="0" * 64)
    with pytest.raises(errors.WrongDigest, match=weights_digest(source)):
        open_model(source)
    assert source.path is not None
    right = ModelSource(id="tiny", path=source.path, sha256=weights_digest(source).upper())
    assert open_model(right).facts.weights_sha256 == weights_digest(source)


def test_missing_weights_are_refused_rather_than_drawn_at_random(tmp_path: Path) -> None:
    source = tiny(tmp_path)
    assert source.path is not None
    weights = load_file(source.path / "model.safetensors")
    del weights["layers.1.self_attn.q_proj.weight"]
    save_file(weights, source.path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(errors.IncompleteModel, match=r"lack 1 that the network needs, such as layers\.1"):
        open_model(source)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    source = tiny(tmp_path)
    change(source, "config.json", intermediate_size=96)
    with pytest.raises(errors.IncompleteModel):
        open_model(source)


def test_a_broken_weights_file_is_refused(tmp_path: Path) -> None:
    source = tiny(tmp_path)
    assert source.path is not None
    content = (source.path / "model.safetensors").read_bytes()
    (source.path / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(errors.IncompleteModel, match="cannot be loaded"):
        open_model(source)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '"text"', "\x00"])
def test_a_damaged_file_is_refused_without_a_path(name: str, content: str, tmp_path: Path) -> None:
    source = tiny(tmp_path)
    assert source.path is not None
    (source.path / name).write_text(content)
    with pytest.raises(errors.IncompleteModel) as refused:
        open_model(source)
    assert str(tmp_path) not in str(refused.value)


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    source = tiny(tmp_path)
    assert source.path is not None
    (source.path / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    with pytest.raises(errors.AdapterRefused, match="a model and an adapter"):
        open_model(source)


def test_a_missing_folder_and_a_folder_without_a_model_say_so(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(errors.FolderMissing) as refused:
            open_model(ModelSource(id="tiny", path=folder))
        assert str(tmp_path) not in str(refused.value)
    with pytest.raises(errors.FolderMissing):
        weights_digest(ModelSource(id="tiny", path=tmp_path / "nowhere"))


@pytest.mark.parametrize("source", [ModelSource(id="tiny"), ModelSource(id="tiny", path=Path("a"), hub="a/b")])
def test_a_source_is_either_a_folder_or_a_hub_name(source: ModelSource) -> None:
    with pytest.raises(errors.ModelUnavailable, match="either"):
        open_model(source)


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "cuda:x", "cpu:"])
def test_a_device_that_is_not_there_is_named(device: str, tmp_path: Path) -> None:
    source = tiny(tmp_path, device=device)
    with pytest.raises(errors.DeviceMissing, match=device):
        open_model(source)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_on_a_machine_without_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.DeviceMissing, match="0 CUDA devices"):
        open_model(tiny(tmp_path, device="cuda"))


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelRefused, match="float32, bfloat16, float16"):
        open_model(tiny(tmp_path, dtype="int8"))
