"""Attack: an adapter that would run code, reach for the network, or fill the memory when it is opened."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_model

from attention import errors
from attention.model.loading import open_model
from attention.model.model import ModelSource

SETTINGS: dict[str, Any] = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.mark, "run"))


def adapter(folder: Path, **settings: Any) -> ModelSource:
    base = tiny_model(folder / "base")
    tuned = folder / "tuned"
    tuned.mkdir()
    (tuned / "adapter_config.json").write_text(json.dumps(SETTINGS | settings))
    return ModelSource(id="tiny", path=base, adapter=str(tuned))


def test_a_pickled_adapter_is_never_opened(tmp_path: Path) -> None:
    source, mark = adapter(tmp_path), tmp_path / "mark"
    content = pickle.dumps(Payload(mark))
    for name in ("adapter_model.bin", "adapter_model.pt"):
        (tmp_path / "tuned" / name).write_bytes(content)
    torch.save({"a": torch.ones(1)}, tmp_path / "tuned" / "adapter_model.pth")
    with pytest.raises(errors.UnsafeWeights, match="run code"):
        open_model(source)
    assert not mark.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"megatron_config": {"a": 1}, "megatron_core": "os"},
        {"corda_config": {"cache_file": "/etc/passwd"}},
        {"loftq_config": {"loftq_bits": 4}},
        {"custom_code": "module.py"},
    ],
)
def test_settings_that_name_code_or_files_are_refused_by_name(settings: dict[str, Any], tmp_path: Path) -> None:
    source = adapter(tmp_path, **settings)
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "tuned" / "adapter_model.safetensors")
    with pytest.raises(errors.AdapterRefused, match=next(iter(settings))):
        open_model(source)


def test_settings_without_end_are_not_parsed(tmp_path: Path) -> None:
    source = adapter(tmp_path)
    with (tmp_path / "tuned" / "adapter_config.json").open("r+b") as opened:
        opened.truncate(1 << 31)
    (tmp_path / "tuned" / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(errors.IncompleteModel, match="larger than"):
        open_model(source)
