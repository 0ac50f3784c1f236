"""A hub model is found by commit, checked before its weights come, and its absence is told fast and clearly."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import tiny_model

from attention.errors import FamilyNotProven, HubUnreachable, QuantizationUnknown, RevisionMissing, UnsafeWeights
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source import hub
from attention.model.source.entries import weights_digest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name resolves."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def in_cache(cache: Path, **options: object) -> Path:
    """A tiny model as the hub's cache keeps one."""
    snapshot = cache / "models--owner--tiny" / "snapshots" / COMMIT
    return tiny_model(snapshot, **options)  # type: ignore[arg-type]


def test_a_hub_name_needs_a_commit() -> None:
    with pytest.raises(RevisionMissing, match="owner/tiny comes from the hub without a `revision`"):
        open_model(ModelSource(id="tiny", hub="owner/tiny"))


@pytest.mark.usefixtures("no_network")
def test_a_model_in_the_cache_opens_without_a_network(cache: Path) -> None:
    in_cache(cache)
    source = ModelSource(id="tiny", hub="owner/tiny", revision=COMMIT)
    model = open_model(source)
    assert model.facts.revision == COMMIT
    assert model.facts.weights_sha256 == weights_digest(source)


@pytest.mark.usefixtures("cache", "no_network")
def test_without_a_network_the_remedy_comes_within_seconds() -> None:
    began = time.perf_counter()
    with pytest.raises(HubUnreachable, match=r"owner/tiny; connect this machine, or download .* give its folder"):
        open_model(ModelSource(id="tiny", hub="owner/tiny", revision=COMMIT))
    assert time.perf_counter() - began < 20


@pytest.mark.usefixtures("cache")
def test_offline_mode_is_honoured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    began = time.perf_counter()
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE forbids"):
        open_model(ModelSource(id="tiny", hub="owner/tiny", revision=COMMIT))
    assert time.perf_counter() - began < 20


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("lost", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_broken_off_download_is_not_taken_for_the_model(lost: str, cache: Path) -> None:
    (in_cache(cache) / lost).unlink()
    with pytest.raises(HubUnreachable):
        open_model(ModelSource(id="tiny", hub="owner/tiny", revision=COMMIT))


@pytest.mark.usefixtures("cache", "no_network")
@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "", "owner/ti ny", "https://example.com/model"])
def test_what_is_no_hub_name_is_refused(name: str) -> None:
    with pytest.raises(HubUnreachable):
        hub.hub_folder(name, COMMIT)


class Hub(ThreadingHTTPServer):
    """A hub of one model, `owner/tiny` at COMMIT, on a loopback port; `fetched` are the files asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), HubAnswers)
        self.folder = folder
        self.fetched: list[str] = []


class HubAnswers(BaseHTTPRequestHandler):
    """Answers as the hub does: the file list of a commit, and files with their tag and commit."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in (f"/api/models/owner/tiny/revision/{COMMIT}", f"/api/models/owner/tiny/revision/{COMMIT}/"):
            names = sorted(file.name for file in self.server.folder.iterdir())
            listed = {"id": "owner/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            return self.answer(200, json.dumps(listed).encode(), "application/json")
        name = path.removeprefix(f"/owner/tiny/resolve/{COMMIT}/")
        file = self.server.folder / name
        if name == path or not file.is_file():
            self.extra = {"X-Error-Code": "EntryNotFound" if name != path else "RepoNotFound"}
            return self.answer(404, b"", "text/plain")
        if self.command == "GET":
            self.server.fetched.append(name)
        content = file.read_bytes()
        self.extra = {"ETag": f'"{sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return self.answer(200, content, "application/octet-stream")

    extra: ClassVar[dict[str, str]] = {}

    def answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **self.extra}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def tiny_hub(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that holds a tiny model, with code and pickled weights beside it; the cache is empty."""
    import huggingface_hub.constants

    assert not cache.exists()
    folder = tiny_model(tmp_path / "published")
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    with Hub(folder) as server:
        here = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", here)
        pages = f"{here}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", pages)
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


SOURCE = ModelSource(id="tiny", hub="owner/tiny", revision=COMMIT)


def test_a_model_is_fetched_once_without_its_code_and_pickled_weights(tiny_hub: Hub) -> None:
    model = open_model(SOURCE)
    assert model.facts.revision == COMMIT
    fetched = sorted(tiny_hub.fetched)
    assert set(fetched) >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert not {"modeling_tiny.py", "pytorch_model.bin"} & set(fetched)
    assert len(fetched) == len(set(fetched))
    assert open_model(SOURCE).facts == model.facts
    assert sorted(tiny_hub.fetched) == fetched


def test_a_model_without_safe_weights_costs_no_download(tiny_hub: Hub) -> None:
    (tiny_hub.folder / "model.safetensors").unlink()
    with pytest.raises(UnsafeWeights, match="owner/tiny"):
        open_model(SOURCE)
    assert tiny_hub.fetched == []


def test_a_family_that_is_not_proven_costs_its_configuration_alone(tiny_hub: Hub) -> None:
    config = json.loads((tiny_hub.folder / "config.json").read_text())
    (tiny_hub.folder / "config.json").write_text(json.dumps(config | {"model_type": "bloom"}))
    with pytest.raises(FamilyNotProven, match="bloom"):
        open_model(SOURCE)
    assert tiny_hub.fetched == ["config.json"]


def test_weights_that_cannot_be_unpacked_cost_their_configuration_alone(tiny_hub: Hub) -> None:
    config = json.loads((tiny_hub.folder / "config.json").read_text())
    (tiny_hub.folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "aqlm"}}))
    with pytest.raises(QuantizationUnknown, match="quantized by aqlm"):
        open_model(ModelSource(id="tiny", hub="owner/tiny", revision=COMMIT))
    assert tiny_hub.fetched == ["config.json"]


def test_a_name_or_commit_that_the_hub_does_not_know_is_told(tiny_hub: Hub) -> None:
    for unknown in (ModelSource(id="x", hub="owner/other", revision=COMMIT), replace(SOURCE, revision="f" * 40)):
        with pytest.raises(HubUnreachable, match=r"does not know|has no revision"):
            open_model(unknown)
    assert tiny_hub.fetched == []


def adapter_on(hub_server: Hub, base: Path) -> ModelSource:
    """An adapter in the place of the hub's model, with code and pickled weights beside it."""
    for file in hub_server.folder.iterdir():
        if file.suffix in (".json", ".safetensors"):
            file.unlink()
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (hub_server.folder / "adapter_config.json").write_text(json.dumps(settings))
    weights = {}
    for layer in (0, 1):
        prefix = f"base_model.model.layers.{layer}.self_attn.q_proj"
        weights |= {f"{prefix}.lora_A.weight": torch.ones(2, 32), f"{prefix}.lora_B.weight": torch.ones(32, 2)}
    save_file(weights, hub_server.folder / "adapter_model.safetensors")
    return ModelSource(id="tiny", path=base, adapter="owner/tiny", adapter_revision=COMMIT)


def test_of_an_adapter_settings_and_safetensors_are_fetched_and_nothing_else(tiny_hub: Hub, tmp_path: Path) -> None:
    source = adapter_on(tiny_hub, tiny_model(tmp_path / "base"))
    facts = open_model(source).facts
    assert facts.adapter == "owner/tiny"
    assert sorted(tiny_hub.fetched) == ["adapter_config.json", "adapter_model.safetensors"]
    fetched = list(tiny_hub.fetched)
    assert open_model(source).facts == facts
    assert tiny_hub.fetched == fetched  # from the cache


def test_a_hub_adapter_needs_a_commit_and_safetensors(tiny_hub: Hub, tmp_path: Path) -> None:
    source = adapter_on(tiny_hub, tiny_model(tmp_path / "base"))
    with pytest.raises(RevisionMissing, match="owner/tiny comes from the hub without an `adapter_revision`"):
        open_model(replace(source, adapter_revision=None))
    (tiny_hub.folder / "adapter_model.safetensors").rename(tiny_hub.folder / "adapter_model.bin")
    with pytest.raises(UnsafeWeights, match=r"has no adapter_model\.safetensors"):
        open_model(source)
    assert tiny_hub.fetched == []


def test_only_configuration_weights_and_tokenizer_are_downloaded() -> None:
    from fnmatch import fnmatch

    wanted = ["config.json", "model-00001-of-00002.safetensors", "tokenizer.json", "vocab.txt", "chat_template.jinja"]
    unwanted = ["pytorch_model.bin", "modeling_custom.py", "model.pkl", "tf_model.h5", "rust_model.ot", "model.gguf"]
    assert all(any(fnmatch(name, pattern) for pattern in hub.NEEDED) for name in wanted)
    assert not any(fnmatch(name, pattern) for name in unwanted for pattern in hub.NEEDED)
