"""Attack: weights changed after their digest was published. They are not opened."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import tiny_model

from attention.errors import WrongDigest
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source.entries import weights_digest
from attention.model.source.packaged import packaged_minilm


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    source = ModelSource(id="tiny", path=folder, sha256=weights_digest(ModelSource(id="tiny", path=folder)))
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WrongDigest, match=str(source.sha256)):
        open_model(source)


def test_another_model_in_the_packages_place_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(WrongDigest):
        open_model(replace(packaged_minilm(), path=tiny_model(tmp_path, "bert")))
