"""Attack: weights that run code when they are unpickled. Nothing is unpickled."""

import os
import pickle
from pathlib import Path

import pytest
from tiny_models import tiny_model

from attention.errors import IncompleteModel, UnsafeWeights
from attention.model.loading import open_model
from attention.model.model import ModelSource


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl", "model.ckpt", "flax_model.msgpack"])
def test_pickled_weights_alone_are_refused_unopened(name: str, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "trace")))
    with pytest.raises(UnsafeWeights, match="can run code"):
        open_model(ModelSource(id="trap", path=folder))
    assert not (tmp_path / "trace").exists()


def test_pickled_weights_beside_safe_ones_stay_unopened(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "trace")))
    assert open_model(ModelSource(id="trap", path=folder)).facts.layers == 2
    assert not (tmp_path / "trace").exists()


def test_pickled_weights_under_a_safe_name_are_refused_unopened(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(pickle.dumps(Payload(tmp_path / "trace")))
    with pytest.raises(IncompleteModel):
        open_model(ModelSource(id="trap", path=folder))
    assert not (tmp_path / "trace").exists()
