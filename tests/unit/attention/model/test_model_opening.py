"""An opened model says what it is, and is the network that its files describe."""

import json
import warnings
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from capture_networks import CONFIGURATIONS
from safetensors.torch import load_file, save_file
from tiny_models import KIND_OF_FAMILY, tiny_model

from attention.hook.attention_function import CAPTURE
from attention.kernels import kernel_name
from attention.model.checks.families import FAMILIES
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source.entries import weights_digest
from attention.model.source.packaged import MINILM, MINILM_SHA256, packaged_minilm
from attention.text.documents import Document
from attention.text.rendering import render


def test_the_packaged_minilm_has_its_published_weights_and_its_own_512_positions() -> None:
    model = open_model(packaged_minilm())
    assert model.facts.weights_sha256 == MINILM_SHA256 == weights_digest(packaged_minilm())
    assert model.source.id == MINILM
    facts = model.facts
    assert (facts.layers, facts.heads, facts.key_value_heads, facts.hidden_size) == (6, 12, 12, 384)
    assert (facts.context, facts.causal, facts.parameters, facts.vocabulary) == (512, False, 22_565_376, 30_522)
    assert facts.attending_layers == (0, 1, 2, 3, 4, 5)
    assert facts.kernel == kernel_name(torch.device(facts.device))
    assert render(model.tokenizer, Document(text="boats " * 400), context=facts.context).tokens == 402
    assert json.loads(json.dumps(asdict(facts)))["architecture"] == "bert"


@pytest.mark.parametrize("family", sorted(KIND_OF_FAMILY))
def test_every_proven_family_opens_quietly_without_gradients_or_dropout(
    family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_model(tmp_path / family, family, sliding_window=16 if family == "mistral" else None)
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = open_model(ModelSource(id="tiny", path=folder))
    assert capfd.readouterr() == ("", "")
    facts = model.facts
    assert (facts.architecture, facts.layers, facts.heads, facts.hidden_size) == (family, 2, 4, 32)
    assert facts.key_value_heads == (4 if family in ("bert", "gpt2") else 2)
    assert facts.causal == (family != "bert")
    assert facts.context == 128
    assert facts.vocabulary == len(model.tokenizer)  # type: ignore[arg-type]
    assert not model.network.training
    assert not any(weight.requires_grad for weight in model.network.parameters())
    assert model.network.config._attn_implementation == CAPTURE  # type: ignore[union-attr]


def test_every_listed_family_is_held_to_its_eager_attention() -> None:
    assert set(CONFIGURATIONS) == set(FAMILIES)
    assert set(KIND_OF_FAMILY) < set(FAMILIES)


def test_a_family_that_is_not_listed_opens_if_it_proves_itself(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, "llama")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": "granite"}))
    model = open_model(ModelSource(id="tiny", path=folder))
    assert (model.facts.architecture, model.facts.layers, model.facts.causal) == ("granite", 2, True)


def test_learned_positions_kept_for_padding_are_no_context(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, "bert")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": "roberta", "pad_token_id": 1}))
    model = open_model(ModelSource(id="tiny", path=folder))
    assert model.facts.context == 128 - 2
    assert (model.facts.architecture, model.facts.causal) == ("roberta", False)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_are_loaded_in_the_dtype_asked_for(dtype: str, tmp_path: Path) -> None:
    model = open_model(ModelSource(id="tiny", path=tiny_model(tmp_path), dtype=dtype))
    assert {weight.dtype for weight in model.network.parameters()} == {getattr(torch, dtype)}
    assert model.facts.dtype == dtype


@pytest.mark.parametrize(("max_tokens", "context"), [(None, 128), (64, 64), (4096, 128)])
def test_the_context_is_the_networks_own_or_less(max_tokens: int | None, context: int, tmp_path: Path) -> None:
    model = open_model(ModelSource(id="tiny", path=tiny_model(tmp_path), max_tokens=max_tokens))
    assert model.facts.context == context


def test_a_tokenizers_own_limit_does_not_shorten_the_context(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 16}))
    assert open_model(ModelSource(id="tiny", path=folder)).facts.context == 128


def test_auto_is_the_gpu_where_there_is_one(tmp_path: Path) -> None:
    model = open_model(ModelSource(id="tiny", path=tiny_model(tmp_path)))
    assert model.facts.device == ("cuda:0" if torch.cuda.is_available() else "cpu")


def test_opening_twice_gives_the_same_facts_and_numbers(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    one, other = (open_model(ModelSource(id="tiny", path=folder)) for _ in range(2))
    assert one.facts == other.facts
    ids = torch.tensor([[1, 40, 50, 60]])
    assert torch.equal(one.network(ids).last_hidden_state, other.network(ids).last_hidden_state)


def test_a_folders_revision_changes_with_its_weights_and_with_its_configuration(tmp_path: Path) -> None:
    source = ModelSource(id="tiny", path=tiny_model(tmp_path / "one"))
    first = open_model(source).facts
    assert open_model(replace(source, path=tiny_model(tmp_path / "two", seed=1))).facts.revision != first.revision
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    (tmp_path / "one" / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    changed = open_model(source).facts
    assert changed.weights_sha256 == first.weights_sha256
    assert changed.revision != first.revision


def test_sharded_weights_load_and_have_one_digest(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    whole = open_model(ModelSource(id="tiny", path=folder))
    weights = load_file(folder / "model.safetensors")
    placed = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(sorted(weights))}
    for file in sorted(set(placed.values())):
        save_file(
            {name: weights[name] for name in placed if placed[name] == file}, folder / file, metadata={"format": "pt"}
        )
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    (folder / "model.safetensors").unlink()
    model = open_model(ModelSource(id="tiny", path=folder))
    lines = "".join(
        f"{file} {sha256((folder / file).read_bytes()).hexdigest()}\n" for file in sorted(set(placed.values()))
    )
    assert model.facts.weights_sha256 == sha256(lines.encode()).hexdigest()
    ids = torch.tensor([[1, 40, 50, 60]])
    assert torch.equal(model.network(ids).last_hidden_state, whole.network(ids).last_hidden_state)


def test_weights_saved_under_a_language_model_load_without_its_head(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = tiny_model(tmp_path)
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    network.save_pretrained(folder)
    model = open_model(ModelSource(id="tiny", path=folder))
    ids = torch.tensor([[1, 40, 50, 60]])
    with torch.no_grad():
        expected = network.eval().model(ids).last_hidden_state
    torch.testing.assert_close(model.network(ids).last_hidden_state, expected, rtol=1e-4, atol=1e-5)
