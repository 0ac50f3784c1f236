"""Attack: a package that fetches kernels from the hub is installed. Whatever model is opened, it is never asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

from project_tree import ROOT

STAND_IN = """
import pathlib
ASKED = pathlib.Path({mark!r})


def _fetch(*given, **named):
    ASKED.open("a").write(repr((given, named)))
    raise RuntimeError("code was fetched from the hub")


get_kernel = get_local_kernel = load_kernel = has_kernel = install_kernel = _fetch
kernelize = _fetch


class _Anything:
    def __init__(self, *given, **named):
        pass

    def __class_getitem__(cls, item):
        return cls


Device = LayerRepository = LocalLayerRepository = FuncRepository = LocalFuncRepository = Mode = _Anything
CUDAProperties = ROCMProperties = LockedLayerRepository = _Anything


def register_kernel_mapping(*given, **named):
    pass


def use_kernel_forward_from_hub(*given, **named):
    return lambda cls: cls


use_kernel_func_from_hub = use_kernel_forward_from_hub


def replace_kernel_forward_from_hub(*given, **named):
    pass
"""

OPENING = """
import json, sys
from pathlib import Path
from attention.model.loading import open_model
from attention.model.model import ModelSource
for folder in json.loads(sys.argv[1]):
    model = open_model(ModelSource(id="tiny", path=Path(folder)))
    assert model.facts.layers == 2, folder
print("opened")
"""

MAKING = """
import json, sys
from pathlib import Path
import torch, transformers, packing
from capture_networks import CONFIGURATIONS, GROUPED
from model_folders import edit_config, edit_weights, saved
place = Path(sys.argv[1])
def packed(name, config, pack, settings):
    saved(place / name, config)
    edit_weights(place / name, pack)
    edit_config(place / name, quantization_config=settings)
def fp8(own):
    found = {}
    for name, weight in own.items():
        parts = packing.float8_blocks(weight, 16)[0] if "_proj.weight" in name else {"weight": weight}
        found |= {name.removesuffix("weight") + part: tensor for part, tensor in parts.items()}
    return found
def mxfp4(own):
    found = {}
    for name, weight in own.items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            found[name + "_blocks"], found[name + "_scales"], _ = packing.mxfp4(weight)
        else:
            found[name] = weight
    return found
experts = CONFIGURATIONS["gpt_oss"]()
experts.intermediate_size = 32
packed("mxfp4", experts, mxfp4, {"quant_method": "mxfp4"})
packed("fp8", transformers.LlamaConfig(**GROUPED), fp8, {"quant_method": "fp8", "weight_block_size": [16, 16]})
saved(place / "plain", transformers.LlamaConfig(**GROUPED))
"""


def test_no_model_asks_the_hub_for_code(tmp_path: Path) -> None:
    package, mark = tmp_path / "site" / "kernels", tmp_path / "asked"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN.format(mark=str(mark)))
    installed = tmp_path / "site" / "kernels-0.16.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: kernels\nVersion: 0.16.0\n")
    run(MAKING, str(tmp_path / "models"), path=[])
    folders = [str(tmp_path / "models" / name) for name in ("mxfp4", "fp8", "plain")]
    assert "opened" in run(OPENING, json.dumps(folders), path=[tmp_path / "site"])
    assert not mark.exists(), mark.read_text()


def run(program: str, *arguments: str, path: list[Path]) -> str:
    """Run a program with these folders before the others on its path."""
    support = ROOT / "tests" / "support"
    folders = [*path, ROOT, support, support / "networks"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
