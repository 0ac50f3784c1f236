"""Attack: an index of weights that points at files elsewhere, or at pickles. Nothing beside it is opened."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model

from attention.errors import IncompleteModel, ModelRefused, UnsafeWeights
from attention.model.loading import open_model
from attention.model.model import ModelSource


def indexed(tmp_path: Path, placed: Any) -> ModelSource:
    folder = tiny_model(tmp_path / "model")
    (folder / "model.safetensors").rename(tmp_path / "secret.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return ModelSource(id="trap", path=folder)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.safetensors",
        "/etc/passwd",
        "sub/../../secret.safetensors",
        "pytorch_model.bin",
        "",
        "..",
        ".safetensors/x",
    ],
)
def test_only_safetensors_files_beside_the_index_are_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeWeights) as refused:
        open_model(indexed(tmp_path, {"embed_tokens.weight": name}))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("placed", [None, [], {}, {"a": 1}, {"a": None}, {"a": ["b.safetensors"]}, "x", 3])
def test_an_index_that_is_none_is_refused(placed: Any, tmp_path: Path) -> None:
    with pytest.raises(IncompleteModel, match="index"):
        open_model(indexed(tmp_path, placed))


def test_a_named_file_that_is_missing_is_told_without_a_path(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"lacks the weights' file part\.safetensors") as refused:
        open_model(indexed(tmp_path, {"a": "part.safetensors"}))
    assert str(tmp_path) not in str(refused.value)
