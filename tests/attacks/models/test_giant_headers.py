"""Attack: files whose claims about their own size would fill memory. They are refused before they are believed."""

import json
import zipfile
from pathlib import Path

import pytest
from tiny_models import tiny_model

from attention.errors import FolderMissing, IncompleteModel
from attention.model.cache import memory_needed
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.weights import LARGEST_JSON


@pytest.mark.parametrize("size", [2**63, 2**40, 2**27, 0])
def test_a_header_longer_than_its_file_is_refused_unread(size: int, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    (folder / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}")
    source = ModelSource(id="trap", path=folder)
    for attempt in (memory_needed, open_model):
        with pytest.raises(IncompleteModel):
            attempt(source)


def test_a_header_that_claims_a_vast_tensor_is_refused(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(IncompleteModel):
        open_model(ModelSource(id="trap", path=folder))


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_vast_configuration_is_refused_unread(name: str, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    with (folder / name).open("wb") as file:
        file.truncate(LARGEST_JSON + 1)
    with pytest.raises(IncompleteModel, match="larger than"):
        open_model(ModelSource(id="trap", path=folder))


def test_an_archive_is_no_model(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.write(folder / "config.json", "config.json")
    with pytest.raises(FolderMissing):
        open_model(ModelSource(id="trap", path=tmp_path / "model.zip"))


@pytest.mark.parametrize(
    "settings",
    [
        {"num_hidden_layers": -1},
        {"hidden_size": 0},
        {"num_attention_heads": 0},
        {"max_position_embeddings": "many"},
        {"num_key_value_heads": 3},
        {"vocab_size": -5},
        {"rope_parameters": "fast"},
        {"hidden_act": "os.system"},
    ],
)
def test_a_senseless_configuration_is_refused(settings: dict[str, object], tmp_path: Path) -> None:
    from attention.errors import ModelRefused

    folder = tiny_model(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(ModelRefused) as refused:
        open_model(ModelSource(id="trap", path=folder))
    assert str(tmp_path) not in str(refused.value)
