"""Models are loaded on first use and dropped least recently used when memory runs short."""

from pathlib import Path

import pytest
import torch
from tiny_models import tiny_model

from attention.errors import IncompleteModel, ModelUnavailable, TooLittleMemory
from attention.model.cache import WORKSPACE, ModelCache, _left_in_control_group, free_memory, memory_needed
from attention.model.loading import open_model
from attention.model.model import Model, ModelSource
from attention.model.weights import count_weights

MIB = 2**20


class Loads:
    """Real tiny models of a pretended size, on a device with so many bytes; says what was loaded, in order."""

    def __init__(self, folder: Path, total: int, **sizes: int) -> None:
        self.sizes = sizes
        self.total = total
        self.order: list[str] = []
        sources = {name: ModelSource(id=name, path=folder, device="cpu") for name in sizes}
        self.cache = ModelCache(sources, self.free, load=self.load, need=lambda source: self.sizes[source.id])

    def free(self, device: str) -> int:
        assert device == "cpu"
        return self.total - sum(self.sizes[name] for name in self.cache.loaded)

    def load(self, source: ModelSource) -> Model:
        self.order.append(source.id)
        return open_model(source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def test_a_model_is_loaded_on_first_use_and_once(folder: Path) -> None:
    loads = Loads(folder, 10, a=4, b=4)
    assert loads.cache.loaded == ()
    assert loads.cache.model("a") is loads.cache.model("a")
    loads.cache.model("b")
    assert loads.order == ["a", "b"]


def test_the_least_recently_used_model_goes_first(folder: Path) -> None:
    loads = Loads(folder, 10, a=4, b=4, c=4)
    for name in ("a", "b", "a", "c"):
        loads.cache.model(name)
    assert loads.cache.loaded == ("a", "c")
    loads.cache.model("b")
    assert loads.cache.loaded == ("c", "b")
    assert loads.order == ["a", "b", "c", "b"]


def test_as_many_go_as_a_large_model_needs_and_no_more(folder: Path) -> None:
    loads = Loads(folder, 10, a=3, b=3, c=3, large=6)
    for name in ("a", "b", "c", "large"):
        loads.cache.model(name)
    assert loads.cache.loaded == ("c", "large")


def test_a_model_that_does_not_fit_alone_says_what_it_needs(folder: Path) -> None:
    loads = Loads(folder, 2 * 2**30, a=MIB, giant=3 * 2**30)
    with pytest.raises(TooLittleMemory, match=r"giant needs about 3\.0 GiB on cpu, where 2\.0 GiB are free"):
        loads.cache.model("giant")
    assert loads.order == []


def test_a_model_that_fails_to_load_is_not_kept(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-4])
    loads = Loads(folder, 10, a=4)
    with pytest.raises(IncompleteModel):
        loads.cache.model("a")
    assert loads.cache.loaded == ()
    (folder / "model.safetensors").write_bytes(content)
    assert loads.cache.model("a").facts.layers == 2


def test_an_unknown_id_names_those_there_are(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no model c; it has a, b"):
        Loads(folder, 10, a=4, b=4).cache.model("c")


def test_a_dropped_model_is_loaded_again_when_asked_for(folder: Path) -> None:
    loads = Loads(folder, 10, a=4)
    loads.cache.model("a")
    loads.cache.drop("a")
    loads.cache.drop("a")
    assert loads.cache.loaded == ()
    loads.cache.model("a")
    assert loads.order == ["a", "a"]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_the_memory_needed_follows_weights_and_dtype(dtype: str, size: int, folder: Path) -> None:
    weights = open_model(ModelSource(id="tiny", path=folder)).facts.parameters
    assert count_weights("tiny", [folder / "model.safetensors"]) == weights
    needed = memory_needed(ModelSource(id="tiny", path=folder, dtype=dtype))
    assert needed == weights * size * 6 // 5 + WORKSPACE


def test_the_machine_says_how_much_is_free() -> None:
    assert MIB < free_memory("cpu") < 2**50
    if torch.cuda.is_available():
        assert MIB < free_memory("cuda") < 2**50


def test_a_containers_limit_counts_and_cached_files_are_free(tmp_path: Path) -> None:
    assert _left_in_control_group(tmp_path) == 2**63
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 150\n")
    assert _left_in_control_group(tmp_path) == 2**63
    (tmp_path / "memory.max").write_text("1000\n")
    assert _left_in_control_group(tmp_path) == 550
