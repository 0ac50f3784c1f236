"""Folders of the shapes that people bring: each is measured as what its files mean, or refused with its own problem."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from capture_networks import GROUPED, SHAPE
from eager_models import assert_measures
from model_folders import edit_config, edit_weights, network_of, saved
from torch import Tensor

from attention import errors
from attention.model.loading import open_model
from attention.model.model import ModelSource

Tensors = dict[str, Tensor]
Folder = Callable[[Path], ModelSource]


def llama(**settings: Any) -> Folder:
    return lambda folder: saved(folder, transformers.LlamaConfig(**GROUPED | settings))


def bert(folder: Path) -> ModelSource:
    return saved(folder, transformers.BertConfig(**SHAPE), kind="wordpiece")


def with_weights(made: Folder, change: Callable[[Tensors], Tensors]) -> Folder:
    def folder(place: Path) -> ModelSource:
        source = made(place)
        edit_weights(place, change)
        return source

    return folder


def with_config(made: Folder, **settings: Any) -> Folder:
    def folder(place: Path) -> ModelSource:
        source = made(place)
        edit_config(place, **settings)
        return source

    return folder


def renamed(change: Callable[[str], str]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {change(name): tensor for name, tensor in tensors.items()}


def more(**tensors: Tensor) -> Callable[[Tensors], Tensors]:
    return lambda own: own | {name.replace("__", "."): tensor for name, tensor in tensors.items()}


def drafted(own: Tensors) -> Tensors:
    return own | {n.replace(".1.", ".2."): tensor for n, tensor in own.items() if n.startswith("layers.1.")}


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


BIASES = {f"layers__{layer}__self_attn__q_proj__bias": random(32) for layer in (0, 1)}
ADAPTER = {
    "layers__0__self_attn__q_proj__lora_A__default__weight": random(4, 32),
    "layers__0__self_attn__q_proj__lora_B__default__weight": random(32, 4),
}
VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
PICTURES = VISION | {"image_size": 28, "patch_size": 14}
SHARED = GROUPED | {"num_hidden_layers": 4}
ALTERNATE = ["sliding_attention", "full_attention"] * 2


@dataclass(frozen=True)
class Refused:
    folder: Folder
    error: type[errors.ModelRefused]
    match: str


REFUSED = {
    "biases that the configuration does not mention": Refused(
        with_weights(llama(), more(**BIASES)),
        errors.WeightsWithoutPlace,
        r"2 weights that would be left out, such as layers\.0\.self_attn\.q_proj\.bias, .*attention_bias: true",
    ),
    "an adapter left unmerged": Refused(
        with_weights(llama(), more(**ADAPTER)), errors.WeightsWithoutPlace, "lora_A.*merge it .*`adapter`"
    ),
    "an adapter's base layers with the adapter beside them": Refused(
        with_weights(
            llama(),
            lambda own: renamed(lambda name: name.replace("q_proj.", "q_proj.base_layer."))(own) | more(**ADAPTER)({}),
        ),
        errors.WeightsWithoutPlace,
        "lora_A.*merge it",
    ),
    "scales of quantized weights": Refused(
        with_weights(llama(), more(layers__0__mlp__down_proj__weight_scale=random(1))),
        errors.ModelRefused,
        "weight_scale.*quantized",
    ),
    "codebooks": Refused(
        with_weights(llama(), more(layers__0__mlp__down_proj__codebook_id=random(1))),
        errors.ModelRefused,
        "codebook_id",
    ),
    "row scales": Refused(
        with_weights(llama(), more(layers__0__mlp__down_proj__SCB=random(32))), errors.ModelRefused, "SCB"
    ),
    "relative positions of an old BERT": Refused(
        with_weights(bert, more(encoder__layer__0__attention__self__distance_embedding__weight=random(511, 8))),
        errors.WeightsWithoutPlace,
        "distance_embedding",
    ),
    "a norm that the family has not": Refused(
        with_weights(llama(), more(layers__0__self_attn__q_norm__weight=random(8))),
        errors.WeightsWithoutPlace,
        r"q_norm\.weight: the network that its configuration describes has no place",
    ),
    "more layers than the configuration": Refused(
        with_config(llama(), num_hidden_layers=1), errors.WeightsWithoutPlace, "layer 1 and on, where .* has 1 layers"
    ),
    "fewer layers than the configuration": Refused(
        with_config(llama(), num_hidden_layers=3), errors.IncompleteModel, "3 layers, and layer 2 is not whole"
    ),
    "the same weights under two names": Refused(
        with_weights(llama(), lambda own: own | renamed(lambda name: "_orig_mod." + name)(own)),
        errors.WeightsWithoutPlace,
        "twice, with and without a wrapper",
    ),
    "two sets of weights": Refused(
        with_weights(llama(), lambda own: renamed("a.{}".format)(own) | renamed("b.{}".format)(own)),
        errors.WeightsWithoutPlace,
        r"two sets of weights for its network, under `a\.` and `b\.`",
    ),
    "rotary frequencies of another base": Refused(
        with_weights(llama(), more(layers__0__self_attn__rotary_emb__inv_freq=random(4).abs())),
        errors.WeightsWithoutPlace,
        r"rotary_emb\.inv_freq",
    ),
    "positions that rescale, by type of layer": Refused(
        with_config(
            lambda folder: saved(folder, transformers.Gemma3TextConfig(**SHARED, head_dim=8, layer_types=ALTERNATE)),
            rope_parameters={
                "full_attention": {
                    "rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 32
                },
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        ),
        errors.FamilyNotProven,
        r"longest text of the batch \(rotary type dynamic\); with `max_tokens = 32`",
    ),
    "positions of a kind that is not known": Refused(
        with_config(llama(), rope_parameters={"rope_type": "spiral", "rope_theta": 1e4}), errors.ModelRefused, "spiral"
    ),
    "keys picked by an indexer": Refused(
        with_config(llama(), index_topk=64), errors.FamilyNotProven, r"picks 64 keys .*\(index_topk\); with `max_tokens"
    ),
    "a limit of sight that is not known": Refused(
        with_config(llama(), strange_window=64), errors.FamilyNotProven, r"not known \(strange_window\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_whose_numbers_would_be_anothers_is_refused_with_its_own_problem(kind: str, tmp_path: Path) -> None:
    case = REFUSED[kind]
    with pytest.raises(case.error, match=case.match) as refused:
        open_model(case.folder(tmp_path))
    assert str(tmp_path) not in str(refused.value)


def layered(**by_layer: Any) -> dict[str, Any]:
    return {f"{index:02d}": by_layer for index in (1, 3)}


MEASURED: dict[str, Folder] = {
    "biases that the configuration mentions": llama(attention_bias=True),
    "a head on top": with_weights(llama(), more(lm_head__weight=random(600, 32), score__weight=random(2, 32))),
    "under a language model's name": with_weights(llama(), renamed("model.{}".format)),
    "saved from a compiled module": with_weights(llama(), renamed("_orig_mod.model.{}".format)),
    "saved from a wrapper for many devices": with_weights(llama(), renamed("module.model.{}".format)),
    "saved with the layers that an adapter was merged into": with_weights(
        llama(), renamed(lambda name: "base_model.model.model." + name.replace("q_proj.", "q_proj.base_layer."))
    ),
    "biases of nothing but zeros": with_weights(llama(), more(layers__0__mlp__down_proj__bias=torch.zeros(32))),
    "buffers of older files": with_weights(
        llama(), more(layers__0__self_attn__rotary_emb__inv_freq=1 / 10_000 ** (torch.arange(0, 8, 2) / 8))
    ),
    "a draft layer": with_config(with_weights(llama(), drafted), num_nextn_predict_layers=1),
    "pooler and old positions of a BERT": with_weights(
        bert, more(bert__pooler__dense__weight=random(32, 32), embeddings__position_ids=torch.arange(256)[None])
    ),
    "sizes of the inner layer that differ, keys that layers share": lambda folder: saved(
        folder,
        transformers.Gemma3nTextConfig(
            **SHARED | {"intermediate_size": [48, 48, 32, 32]},
            head_dim=8, sliding_window=6, layer_types=ALTERNATE, num_kv_shared_layers=2, laurel_rank=4,
            vocab_size_per_layer_input=600, hidden_size_per_layer_input=8,
            activation_sparsity_pattern=[0.0, 0.0, 0.0, 0.0],
        ),
    ),
    "widths of heads that differ, keys that layers share": lambda folder: saved(
        folder,
        transformers.Gemma4TextConfig(
            **SHARED, head_dim=8, sliding_window=6, layer_types=ALTERNATE, num_kv_shared_layers=2,
            vocab_size_per_layer_input=600, hidden_size_per_layer_input=8, per_layer_config=layered(head_dim=16),
        ),
    ),
    "rescaling positions, within the length of the training": lambda folder: replace(
        with_config(
            llama(), rope_parameters={
                "rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64
            },
        )(folder),
        max_tokens=64,
    ),
    "the language model of Gemma 3": lambda folder: saved(
        folder,
        transformers.Gemma3Config(
            text_config=SHARED | {"head_dim": 8, "sliding_window": 6},
            vision_config=VISION | {"image_size": 28, "patch_size": 14},
        ),
    ),
    "the language model of Qwen 2.5 VL": lambda folder: saved(
        folder,
        transformers.Qwen2_5_VLConfig(
            text_config=GROUPED
            | {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}},
            vision_config=VISION | {"depth": 1, "num_heads": 2, "out_hidden_size": 32},
        ),
    ),
    "the language model of Mistral 3": lambda folder: saved(
        folder,
        transformers.Mistral3Config(
            text_config=GROUPED | {"model_type": "mistral"}, vision_config=PICTURES | {"model_type": "pixtral"}
        ),
    ),
    "the language model of Llama 4": lambda folder: saved(
        folder,
        transformers.Llama4Config(
            text_config=SHARED
            | {"head_dim": 8, "intermediate_size_mlp": 48, "num_local_experts": 2, "attention_chunk_size": 16},
            vision_config=PICTURES | {
                "intermediate_size": 64, "vision_output_dim": 32, "projector_input_dim": 32, "projector_output_dim": 32
            },
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEASURED)
def test_a_model_is_measured_as_what_its_files_mean(kind: str, tmp_path: Path) -> None:
    source = MEASURED[kind](tmp_path)
    model = open_model(source)
    assert_measures(model, network_of(tmp_path))


def test_what_has_no_part_in_the_numbers_is_named(tmp_path: Path) -> None:
    source = MEASURED["a head on top"](tmp_path)
    assert open_model(source).facts.ignored_tensors == ("lm_head.weight", "score.weight")


def test_a_multimodal_model_says_that_it_reads_text_alone(tmp_path: Path) -> None:
    facts = open_model(MEASURED["the language model of Gemma 3"](tmp_path)).facts
    assert facts.architecture == "gemma3_text"
    assert facts.ignored_tensors == ("multi_modal_projector.*", "vision_tower.*")
    assert facts.notes == ("The language model of a multimodal model: its vision and sound are left out.",)


def test_a_bias_in_a_multimodal_models_language_model_is_not_taken_for_a_tower(tmp_path: Path) -> None:
    source = MEASURED["the language model of Mistral 3"](tmp_path)
    name = next(name for name in network_names(tmp_path) if name.endswith("layers.0.self_attn.q_proj.weight"))
    edit_weights(tmp_path, lambda own: own | {name.replace("weight", "bias"): random(32)})
    with pytest.raises(errors.WeightsWithoutPlace, match=r"q_proj\.bias"):
        open_model(source)


def network_names(folder: Path) -> list[str]:
    from attention.model.tensors import stored_tensors
    from attention.model.weights import weight_files

    with stored_tensors("tiny", weight_files("tiny", folder)) as stored:
        return list(stored)
