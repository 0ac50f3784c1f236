"""An adapter is merged into its model as PEFT would apply it, or refused by name with what to do."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from capture_networks import GROUPED
from eager_models import assert_measures
from model_folders import network_of, saved
from safetensors.torch import load_file, save_file

from attention import errors
from attention.hook.forward_pass import device_of
from attention.measure.analysis import analyse
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source.entries import weights_digest
from attention.text.documents import Document
from attention.text.rendering import render

ATTENTION = ["q_proj", "v_proj"]


@pytest.fixture
def base(tmp_path: Path) -> ModelSource:
    return saved(tmp_path / "base", transformers.LlamaConfig(**GROUPED))


def trained(base: ModelSource, *, head: bool = False, **settings: Any) -> tuple[ModelSource, Any]:
    """An adapter on a model, saved beside it as PEFT saves it, and the network with it unmerged."""
    assert base.path is not None
    network: Any = network_of(base.path)
    if head:
        whole = transformers.LlamaForCausalLM(network.config)
        whole.model = network
        network = whole
    torch.manual_seed(5)
    with warnings.catch_warnings():  # of transformers' own, that a name of its own is old
        warnings.simplefilter("ignore")
        wrapped = peft.get_peft_model(network, peft.LoraConfig(**{"r": 4, "target_modules": ATTENTION} | settings))
        with torch.no_grad():
            for name, weight in wrapped.named_parameters():
                if "lora_" in name or "modules_to_save" in name or "trainable_tokens_delta" in name:
                    weight.add_(torch.randn_like(weight) * 0.2)
        folder = base.path.parent / "tuned"
        wrapped.save_pretrained(folder)
    return replace(base, adapter=str(folder)), wrapped.eval()


KINDS: dict[str, dict[str, Any]] = {
    "a plain one": {},
    "every linear layer": {"target_modules": "all-linear"},
    "scaled by the root of its rank": {"use_rslora": True, "lora_alpha": 16},
    "ranks and scales by layer": {
        "rank_pattern": {"layers.1.self_attn.q_proj": 2},
        "alpha_pattern": {"layers.0.self_attn.v_proj": 32},
    },
    "weights taken apart into size and direction": {"use_dora": True},
    "the table of embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
    "a norm saved whole": {"modules_to_save": ["norm"]},
    "the table of embeddings saved whole": {"modules_to_save": ["embed_tokens"]},
    "rows of the table of embeddings": {"trainable_token_indices": [3, 5, 40]},
    "one layer alone": {"layers_to_transform": [1], "layers_pattern": "layers"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_merged_network_is_the_unmerged_one(kind: str, base: ModelSource) -> None:
    tuned, wrapped = trained(base, **KINDS[kind])
    model = open_model(tuned)
    ids = torch.randint(0, model.facts.vocabulary, (1, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = wrapped(input_ids=ids).last_hidden_state
        there = ids.to(device_of(model.network))
        found = model.network(input_ids=there).last_hidden_state.cpu()
        before = open_model(base).network(input_ids=there).last_hidden_state.cpu()
    assert float((found - wanted).abs().max()) <= 1e-4
    assert float((before - wanted).abs().max()) > 1e-2
    assert model.facts.adapter == "tuned"
    assert not any(weight.requires_grad for weight in model.network.parameters())
    assert_measures(model, wrapped.merge_and_unload())


def test_weights_kept_as_a_turned_matrix_are_merged_too(tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=600, n_embd=32, n_layer=2, n_head=4, n_positions=128)
    tuned, wrapped = trained(saved(tmp_path / "base", config), target_modules=["c_attn"], fan_in_fan_out=True)
    assert_measures(open_model(tuned), wrapped.merge_and_unload())


def test_an_adapter_of_a_model_with_its_head_finds_the_network_below(base: ModelSource) -> None:
    tuned, wrapped = trained(base, head=True, target_modules=[*ATTENTION, "lm_head"])
    model = open_model(tuned)
    assert model.facts.ignored_tensors == tuple(f"lm_head.{part}.weight" for part in ("base_layer", "lora_A", "lora_B"))
    assert_measures(model, wrapped.merge_and_unload().model)


def test_a_lower_dtype_is_rounded_once_after_merging(base: ModelSource) -> None:
    tuned, wrapped = trained(base)
    model = open_model(replace(tuned, dtype="bfloat16"))
    wanted = wrapped.merge_and_unload().state_dict()["layers.0.self_attn.q_proj.weight"].bfloat16()
    assert torch.equal(model.network.state_dict()["layers.0.self_attn.q_proj.weight"].cpu(), wanted)


def test_before_and_after_tuning_are_two_measurements_of_one_text(base: ModelSource) -> None:
    tuned, _ = trained(base)
    found = []
    for source in (base, tuned):
        model = open_model(source)
        text = render(model.tokenizer, Document(text="Are you coming to the lake tonight?"), context=128)
        found.append((model.facts.weights_sha256, analyse(model, [text], token_budget=128)[0].document["entropy"]))
        assert weights_digest(source) == model.facts.weights_sha256
    (before, entropy), (after, tuned_entropy) = found
    assert before != after
    assert abs(entropy - tuned_entropy) > 1e-3


def test_the_digest_changes_with_the_adapters_settings_and_with_its_weights(base: ModelSource) -> None:
    tuned, _ = trained(base)
    folder = Path(tuned.adapter or "")
    seen = {weights_digest(base), weights_digest(tuned)}
    change_settings(folder, lora_alpha=64)
    seen.add(weights_digest(tuned))
    change_weights(folder, lambda tensors: {name: tensor * 2 for name, tensor in tensors.items()})
    assert len(seen | {weights_digest(tuned)}) == 4


def test_random_weights_have_no_adapter(base: ModelSource) -> None:
    tuned, _ = trained(base)
    facts = open_model(replace(tuned, untrained_seed=0)).facts
    assert facts.adapter is None
    assert facts.weights_sha256 == open_model(replace(base, untrained_seed=0)).facts.weights_sha256


def test_another_base_model_is_a_note_and_so_is_an_adapter_without_effect(base: ModelSource) -> None:
    tuned, _ = trained(base)
    folder = Path(tuned.adapter or "")
    change_settings(folder, base_model_name_or_path="someone/other-model")
    change_weights(folder, lambda own: {n: t * 0 if "lora_B" in n else t for n, t in own.items()})
    assert open_model(tuned).facts.notes == (
        "The adapter tuned says that it was trained on other-model, and is merged into base.",
        "The adapter tuned changes nothing: it was never trained.",
    )


def change_settings(folder: Path, **settings: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def change_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = folder / "adapter_model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in change(load_file(file)).items()}, file)


Q = "base_model.model.layers.0.self_attn.q_proj"
REFUSALS: dict[str, tuple[Callable[[Path], None], type[errors.HearkenError], str]] = {
    "another kind": (lambda f: change_settings(f, peft_type="IA3"), errors.AdapterRefused, "type IA3; LORA is merged"),
    "a start that changes the base": (
        lambda f: change_settings(f, init_lora_weights="pissa"), errors.AdapterRefused, "begun with pissa"
    ),
    "layers repeated": (
        lambda f: change_settings(f, layer_replication=[[0, 2], [1, 2]]), errors.AdapterRefused, "layer_replication"
    ),
    "a setting that is not known": (lambda f: change_settings(f, use_magic=True), errors.AdapterRefused, "use_magic"),
    "tokens that switch it on": (
        lambda f: change_settings(f, alora_invocation_tokens=[1, 2]), errors.AdapterRefused, "alora_invocation_tokens"
    ),
    "modules that the model has not": (
        lambda f: change_settings(f, target_modules=["nothing"]), errors.AdapterRefused, "nothing"
    ),
    "nothing but the head": (
        lambda f: change_settings(f, target_modules=["lm_head"]), errors.AdapterRefused, "changes nothing of the"
    ),
    "a tensor too many": (
        lambda f: change_weights(f, lambda own: own | {f"{Q}.lora_C.weight": torch.ones(2)}),
        errors.WeightsWithoutPlace, r"1 tensors that have no place .*layers\.0\.self_attn\.q_proj\.lora_C",
    ),
    "a resized vocabulary": (
        lambda f: change_weights(f, lambda own: own | {"base_model.model.embed_tokens.weight": torch.ones(602, 32)}),
        errors.WeightsWithoutPlace, r"embed_tokens\.weight",
    ),
    "a tensor too few": (
        lambda f: change_weights(f, lambda own: {n: t for n, t in own.items() if n != f"{Q}.lora_A.weight"}),
        errors.AdapterRefused, r"lacks 1 tensors .*layers\.0\.self_attn\.q_proj\.lora_A",
    ),
    "a tensor of another shape": (
        lambda f: change_weights(f, lambda own: own | {f"{Q}.lora_A.weight": torch.ones(4, 64)}),
        errors.AdapterRefused, r"q_proj\.lora_A\.weight has the shape \(4, 64\), where \(4, 32\)",
    ),
    "numbers that are none": (
        lambda f: change_weights(f, lambda own: {n: t * float("nan") for n, t in own.items()}),
        errors.AdapterRefused, "not what it is unmerged|did not reach",
    ),
    "no settings": (lambda f: (f / "adapter_config.json").unlink(), errors.FolderMissing, "has no adapter_config.json"),
    "no weights": (lambda f: (f / "adapter_model.safetensors").unlink(), errors.IncompleteModel, "no adapter_model"),
    "settings that are no object": (
        lambda f: (f / "adapter_config.json").write_text("[]") and None, errors.IncompleteModel, "not a JSON object"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_cannot_be_merged_exactly_is_refused_by_name(kind: str, base: ModelSource) -> None:
    tuned, _ = trained(base)
    change, error, match = REFUSALS[kind]
    change(Path(tuned.adapter or ""))
    with pytest.raises(error, match=match) as refused:
        open_model(tuned)
    assert str(base.path) not in str(refused.value)


def test_a_folder_that_is_only_an_adapter_says_how_to_serve_it(base: ModelSource) -> None:
    tuned, _ = trained(base)
    folder = Path(tuned.adapter or "")
    change_settings(folder, base_model_name_or_path="someone/base")
    with pytest.raises(errors.AdapterRefused, match="an adapter on base and no model; give the folder of base as"):
        open_model(ModelSource(id="tiny", path=folder))


def test_a_model_with_an_adapter_in_its_own_folder_is_refused(base: ModelSource) -> None:
    tuned, _ = trained(base)
    assert base.path is not None
    for file in Path(tuned.adapter or "").iterdir():
        file.rename(base.path / file.name)
    with pytest.raises(errors.AdapterRefused, match="a model and an adapter"):
        open_model(base)


def test_a_missing_folder_says_so(base: ModelSource) -> None:
    with pytest.raises(errors.FolderMissing, match="adapter of tiny does not exist"):
        open_model(replace(base, adapter="/nowhere"))
