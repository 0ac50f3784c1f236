"""A network whose layers lie apart is measured where each lies, with the numbers that it has in one place."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from capture_networks import GROUPED, talk_window, text_window, twin_of
from model_folders import saved

from attention import errors
from attention.measure.capture import CaptureOptions, capture
from attention.model.checks.proof import prove
from attention.model.devices import chosen_devices, devices_named, memory_map, name_of, spread
from attention.model.loading import open_model
from attention.model.model import ModelSource

EVERYTHING = CaptureOptions(flow_heads=True, tokens=True, layer_embeddings=True)
FOUR = GROUPED | {"num_hidden_layers": 4}


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "bert"])
def test_layers_that_lie_on_disk_are_measured_with_the_same_numbers(kind: str, tmp_path: Path) -> None:
    settings = {key: value for key, value in FOUR.items() if kind != "bert" or key != "num_key_value_heads"}
    sliding = {"sliding_window": 6, "head_dim": 8} if kind == "gemma3_text" else {}
    model = twin_of(lambda: transformers.CONFIG_MAPPING[kind](**settings, **sliding)).model
    apart: Any = copy.deepcopy(model.network)
    layers = "encoder.layer" if kind == "bert" else "layers"
    parts = (
        {name: "cpu" for name, _ in apart.named_children()}
        if kind != "bert"
        else {"embeddings": "cpu", "pooler": "cpu"}
    )
    parts.pop("layers", None)
    parts |= {f"{layers}.{layer}": "disk" if layer % 2 else "cpu" for layer in range(4)}
    apart = spread(apart, parts, "cpu", folder=str(tmp_path))
    assert any(weight.device.type == "meta" for weight in apart.parameters())
    windows = [talk_window(), text_window(23), talk_window((4, 9), seed=3)]
    wanted, found = capture(model, windows, EVERYTHING), capture(replace(model, network=apart), windows, EVERYTHING)
    for one, other in zip(wanted, found, strict=True):
        for name in ("embedding", "turn_embeddings", "layer_embeddings", "flow", "turn_sums", "token_rows"):
            left, right = getattr(one, name), getattr(other, name)
            assert (left is None) == (right is None)
            if left is not None:
                torch.testing.assert_close(torch.from_numpy(right), torch.from_numpy(left), rtol=0, atol=0)
        torch.testing.assert_close(torch.from_numpy(other.sums.total), torch.from_numpy(one.sums.total), rtol=0, atol=0)
    assert prove(apart, "tiny").attending_layers == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("name", "devices"),
    [("cpu", ["cpu"]), ("cuda:0", ["cuda:0"]), ("cuda:0,1,3", ["cuda:0", "cuda:1", "cuda:3"])],
)
def test_a_name_tells_its_devices(name: str, devices: list[str]) -> None:
    found = devices_named(name)
    assert found == tuple(map(torch.device, devices))
    assert name_of(found) == name


def test_the_devices_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(device: str) -> str:
        return name_of(chosen_devices(ModelSource(id="tiny", path=Path("x"), device=device)))

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [chosen(device) for device in ("auto", "all", "cuda", "cuda:2", "cuda:2,0", "cpu")] == [
        "cuda:0", "cuda:0,1,2,3", "cuda:0", "cuda:2", "cuda:2,0", "cpu"
    ]  # fmt: skip
    for wrong in ("cuda:0,4", "cuda:1,1", "cuda:", "cuda:0,", "disk"):
        with pytest.raises(errors.DeviceMissing):
            chosen(wrong)


def test_layers_are_shared_out_whole_and_about_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(tmp_path, transformers.LlamaConfig(**FOUR))
    network: Any = open_model(source).network
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (1 << 30, 1 << 30))
    devices = tuple(torch.device("cuda", number) for number in (1, 3))
    parts = memory_map(source, network, devices)
    layers = [place for name, place in parts.items() if name.startswith("layers.")]
    assert len(layers) == 4
    assert set(parts.values()) == {1, 3}
    assert layers == sorted(layers)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (1 << 10, 1 << 10))
    with pytest.raises(errors.TooLittleMemory, match=r"cuda:1,3"):
        memory_map(source, network, devices)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are not two GPUs")
def test_two_gpus_give_the_numbers_of_one(tmp_path: Path) -> None:
    source = saved(tmp_path, transformers.LlamaConfig(**FOUR))
    windows = [talk_window(), text_window(23)]
    one, two = (capture(open_model(replace(source, device=name)), windows) for name in ("cuda:0", "cuda:0,1"))
    for left, right in zip(one, two, strict=True):
        torch.testing.assert_close(torch.from_numpy(right.sums.total), torch.from_numpy(left.sums.total))
