"""The wheel, installed outside the tree: `hearken serve` and `hearken demo` run from what it carries."""

import json
import re
from pathlib import Path

import pytest
from serving import MINILM_ALONE

from hearken.client import Client
from tests.packaging.image import ROOT
from tests.packaging.installed import Installed
from tests.packaging.running import FOREIGN, Service

pytestmark = pytest.mark.xdist_group("serve")

WHERE = f"""
import importlib, json, sys
from hearken.packages import come_first
come_first()
names = ["hearken", {", ".join(map(repr, FOREIGN))}, "models.schemas.analyses", "service.app", "workers.tasks"]
found = [importlib.import_module(name).__file__ for name in names]
from attention.kernels.compiled import builds
print(json.dumps([found, list(builds()), [entry for entry in sys.path if entry.startswith({str(ROOT)!r})]]))
"""


def test_every_package_is_loaded_from_the_wheel_and_the_kernel_is_compiled(
    everything: Installed, users_folder: Path
) -> None:
    done = everything.run(everything.python, "-c", WHERE, cwd=users_folder)
    assert done.returncode == 0, done.stderr
    found, builds, seen_of_the_tree = json.loads(done.stdout)
    assert [path for path in found if not path.startswith(f"{everything.site_packages}/hearken/")] == []
    assert "plain" in builds
    assert all("site-packages" in entry for entry in seen_of_the_tree)


def test_the_service_measures_with_the_compiled_kernel(service: Service) -> None:
    with Client(service.url) as client:
        analysis = client.analyze("A wheel is all that this needs.")
        served, encoder = client.models()
    assert analysis.metrics.distance is not None
    assert (served.id, served.default) == ("smollm2-135m-instruct", True)
    assert (encoder.id, encoder.default) == ("all-MiniLM-L6-v2", False)
    assert served.kernel is not None
    assert served.kernel.startswith("compiled")


@pytest.mark.slow
def test_the_demonstration_ends_with_a_report(everything: Installed, users_folder: Path, outside: Path) -> None:
    command = everything.hearken, "demo", "--folder", outside / "demo"
    done = everything.run(*command, cwd=users_folder, HEARKEN_MODELS=str(MINILM_ALONE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"conversation \d\d.*mathematics \d\d", done.stdout)
    assert "hearken serve, then hearken analyze FILE" in done.stdout
    assert "<svg" in (outside / "demo" / "report.html").read_text(encoding="utf-8")
