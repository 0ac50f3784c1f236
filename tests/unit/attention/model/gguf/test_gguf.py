"""A GGUF file is measured as the network that it holds, in plain numbers, or refused by name."""

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from capture_networks import GROUPED, build
from eager_models import assert_measures
from gguf_files import rounded, write_gguf
from project_tree import ROOT
from tiny_models import tiny_tokenizer

from attention import errors
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source.entries import weights_digest
from attention.text.tokens import token_reader

WIDE = GROUPED | {"hidden_size": 64, "intermediate_size": 96, "vocab_size": 600}


def network(config: Any) -> Any:
    made: Any = build(config, "eager")
    return made


FAMILIES = {
    "llama": transformers.LlamaConfig(**WIDE, head_dim=16),
    "qwen2": transformers.Qwen2Config(**WIDE),
    "qwen3": transformers.Qwen3Config(**WIDE, head_dim=128),
}


@pytest.mark.parametrize("kind", ["F32", "Q8_0", "Q4_1"])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_network_in_a_file_is_measured(architecture: str, kind: str, tmp_path: Path) -> None:
    meant = network(FAMILIES[architecture])
    more = {"attention__key_length": 128} if architecture == "qwen3" else {"rope__dimension_count": 16}
    write_gguf(tmp_path / "model.gguf", meant, architecture, kind=kind, **more)
    model = open_model(ModelSource(id="tiny", path=tmp_path))
    assert model.facts.architecture == architecture
    assert model.facts.quantization is not None
    assert (model.facts.quantization.scheme, model.facts.quantization.dequantized_to) == (f"gguf {kind}", "float32")
    assert {type(module).__module__.partition(".")[0] for module in model.network.modules()} <= {
        "torch",
        "transformers",
    }
    assert_measures(model, meant if kind == "F32" else rounded(meant, kind))


def test_the_factors_of_rotary_frequencies_are_honoured(tmp_path: Path) -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaled = scaling | {"original_max_position_embeddings": 16, "rope_theta": 10_000.0}
    meant = network(transformers.LlamaConfig(**WIDE, head_dim=16, rope_parameters=scaled))
    plain = 1 / 10_000 ** (np.arange(0, 16, 2) / 16)
    factors = plain / meant.rotary_emb.inv_freq.numpy()
    assert factors.max() > 2
    write_gguf(tmp_path / "m.gguf", meant, tensors={"rope_freqs.weight": factors.astype(np.float32)})
    assert_measures(open_model(ModelSource(id="tiny", path=tmp_path)), meant)


def test_the_tokenizer_reads_the_four_domains_as_the_one_it_was_made_from(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", network(FAMILIES["llama"]))
    ours = token_reader(open_model(ModelSource(id="tiny", path=tmp_path)).tokenizer)
    published = token_reader(tiny_tokenizer("byte-level"))
    for domain in ("conversation", "web", "code", "mathematics"):
        text = (ROOT / "samples" / f"{domain}.jsonl").read_text(encoding="utf-8")[:20_000]
        np.testing.assert_array_equal(ours.read(text).ids, published.read(text).ids)


def test_smollms_rule_takes_digits_apart(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", network(FAMILIES["llama"]), split="smollm")
    model = open_model(ModelSource(id="tiny", path=tmp_path))
    tokens = token_reader(model.tokenizer).read("In 1984 and 42.")
    digits = [(start, end) for start, end in zip(tokens.start, tokens.end, strict=True) if end - start > 1]
    assert not any(any(letter.isdigit() for letter in "In 1984 and 42."[start:end]) for start, end in digits)


REFUSED: dict[str, tuple[dict[str, Any], type[errors.ModelRefused], str]] = {
    "a split that is not known": ({"split": "magic"}, errors.SlowTokenizer, "splits texts by the rule `magic`"),
    "a factor of positions without a kind": (
        {"rope__scaling__factor": 4.0}, errors.FamilyNotProven, r"llama\.rope\.scaling\.factor = 4\.0"
    ),
    "scaled positions": ({"rope__scaling__type": "yarn"}, errors.FamilyNotProven, r"llama\.rope\.scaling\.type = yarn"),
    "a setting that is not known": ({"strange": 3}, errors.FamilyNotProven, r"llama\.strange = 3"),
    "a window that the family has not": (
        {"attention__sliding_window": 8}, errors.FamilyNotProven, r"attention\.sliding_window = 8"
    ),
    "keys of another width": ({"attention__key_length": 32}, errors.FamilyNotProven, r"attention\.key_length = 32"),
    "a tensor without a place": (
        {"tensors": {"blk.0.attn_q_norm.weight": np.ones(16, np.float32)}},
        errors.WeightsWithoutPlace, r"blk\.0\.attn_q_norm\.weight",
    ),
    "another architecture": ({"architecture": "strange"}, errors.FamilyNotProven, "architecture strange"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_reader_would_leave_out_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    options, error, match = REFUSED[kind]
    write_gguf(tmp_path / "m.gguf", network(FAMILIES["llama"]), **options)
    with pytest.raises(error, match=match) as refused:
        open_model(ModelSource(id="tiny", path=tmp_path))
    assert str(tmp_path) not in str(refused.value)


def test_one_file_of_several_has_to_be_named_and_safetensors_come_first(tmp_path: Path) -> None:
    meant = network(FAMILIES["llama"])
    write_gguf(tmp_path / "a.gguf", meant, kind="Q8_0")
    shutil.copy(tmp_path / "a.gguf", tmp_path / "b.gguf")
    with pytest.raises(errors.FolderMissing, match="2 GGUF files; name one of them as `gguf`"):
        open_model(ModelSource(id="tiny", path=tmp_path))
    with pytest.raises(errors.FolderMissing, match=r"has no c\.gguf"):
        open_model(ModelSource(id="tiny", path=tmp_path, gguf="c.gguf"))
    named = ModelSource(id="tiny", path=tmp_path, gguf="b.gguf")
    assert open_model(named).facts.weights_sha256 == weights_digest(named)
    meant.save_pretrained(tmp_path)
    tiny_tokenizer("byte-level").save_pretrained(tmp_path)
    assert open_model(ModelSource(id="tiny", path=tmp_path)).facts.quantization is None
    assert open_model(named).facts.quantization is not None


def test_the_digest_is_of_the_file_and_of_the_way_it_is_read(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf", network(FAMILIES["llama"]))
    source = ModelSource(id="tiny", path=tmp_path)
    first = weights_digest(source)
    content = bytearray(file.read_bytes())
    content[-4:] = struct.pack("<f", 0.5)
    file.write_bytes(content)
    assert weights_digest(source) != first
    assert len(first) == 64


def test_a_lower_dtype_is_reached_from_single_precision(tmp_path: Path) -> None:
    meant = network(FAMILIES["llama"])
    write_gguf(tmp_path / "m.gguf", meant, kind="Q4_1")
    found = open_model(ModelSource(id="tiny", path=tmp_path, dtype="float16"))
    wanted = rounded(meant, "Q4_1").state_dict()["layers.0.mlp.up_proj.weight"].half()
    assert torch.equal(found.network.state_dict()["layers.0.mlp.up_proj.weight"].cpu(), wanted)
