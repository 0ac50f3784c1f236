"""The image's build commands, run where only what it copies is, and the wheel that they make."""

import platform
import re
import zipfile
from pathlib import Path

import pytest

from tests.packaging.image import ROOT, stages

pytestmark = pytest.mark.xdist_group("serve")  # where the other tests of the wheel run: it is built once

BESIDE = ("attention", "formats", "migrations", "models", "report", "samples", "service", "workers")


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Every file in the wheel."""
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_the_image_is_built_by_one_script() -> None:
    first, last = stages()
    assert [command for command in first.commands if "build" in command] == ["docker/build.sh wheel /wheel"]
    assert [command for command in last.commands if "build" in command] == ["docker/build.sh install /wheel"]
    assert not any("pip" in command for stage in (first, last) for command in stage.commands)
    assert "gcc" in first.commands[0]
    assert "gcc" not in str(last.commands)


def test_the_wheel_brings_one_name(wheel: Path, names: set[str]) -> None:
    version = wheel.name.split("-")[1]
    assert {name.partition("/")[0] for name in names} == {"hearken", f"hearken-{version}.dist-info"}
    with zipfile.ZipFile(wheel) as opened:
        assert opened.read(f"hearken-{version}.dist-info/top_level.txt") == b"hearken\n"


def test_the_wheel_has_the_compiled_kernel_at_every_level(names: set[str]) -> None:
    built = {found[1] for name in names if (found := re.search(r"attention/kernels/_sweep_(\w+)\..*so$", name))}
    assert built == {"plain", "avx2", "avx512"} if platform.machine() == "x86_64" else {"plain"}


def test_the_wheel_has_every_module_and_every_file_that_one_reads_and_nothing_else(names: set[str]) -> None:
    paths = [path for room in ("hearken", *BESIDE) for path in (ROOT / room).rglob("*")]
    sources = [path.relative_to(ROOT) for path in paths if path.is_file() and path.suffix not in (".pyc", ".so")]
    expected = {str(path) if path.parts[0] == "hearken" else f"hearken/packages/{path}" for path in sources}
    assert {path.suffix for path in sources} >= {".py", ".typed", ".html", ".css", ".js", ".json", ".jsonl", ".mako"}
    assert {name for name in names if ".dist-info/" not in name and not name.endswith(".so")} == expected


def test_every_package_says_that_it_is_typed(names: set[str]) -> None:
    typed = {name for name in names if name.endswith("py.typed")}
    code = [f"packages/{room}/" for room in BESIDE if room != "samples"]
    assert typed == {f"hearken/{place}py.typed" for place in ("", *code)}
