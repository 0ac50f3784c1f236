"""One wheel for all these tests, as the Dockerfile's commands build it, and environments that it is installed in."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from hearken.local import temporary_folder
from tests.packaging.image import ROOT, copy_into, stages
from tests.packaging.installed import Installed, plain_environment
from tests.packaging.running import Service, foreign_folder, serving


@pytest.fixture(scope="session")
def outside() -> Iterator[Path]:
    """A folder outside the tree that the embedded servers' account can reach."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def wheel(outside: Path) -> Path:
    """The wheel that the Dockerfile's first stage builds, from exactly what that stage copies."""
    if shutil.which("cc") is None:
        pytest.skip("the image has a C compiler, this machine has none")
    source = copy_into(outside / "source", stages()[0])
    build(source, "wheel", outside / "wheel")
    (made,) = (outside / "wheel").glob("*.whl")
    return made


@pytest.fixture(scope="session")
def client_alone(outside: Path, wheel: Path) -> Installed:
    """What `pip install hearken` gives: the wheel and what it needs without an extra."""
    made = _environment(outside / "client")
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    _run([sys.executable, "-m", "pip", "--python", made.python, "install", "--quiet", *constraints, str(wheel)])
    return made


@pytest.fixture(scope="session")
def everything(outside: Path, wheel: Path) -> Installed:
    """What the Dockerfile's last stage installs, and the embedded servers.

    What is not ours is not installed a second time: the environment sees the packages of the one that runs the tests.
    The tree that is installed there for editing stays out: that is a matter of a `.pth` file, which Python reads in the
    environment's own folder alone.
    """
    made = _environment(outside / "everything")
    place = copy_into(outside / "last-stage", stages()[-1])
    build(place, "install", wheel.parent, PIP_PYTHON=made.python, PIP_NO_DEPS="1")
    theirs = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (made.site_packages / "theirs.pth").write_text("\n".join(theirs) + "\n", encoding="utf-8")
    return made


def build(folder: Path, stage: str, wheels: Path, **settings: str) -> None:
    """Run a stage's commands as the Dockerfile does, in a folder of what it copied."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    _run(["docker/build.sh", stage, str(wheels)], cwd=folder, PATH=path, **settings)


def _environment(folder: Path) -> Installed:
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    return Installed(folder)


def _run(command: list[str], cwd: Path | None = None, **settings: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=plain_environment(**settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def users_folder(outside: Path) -> Path:
    """A user's own project, with packages of our names."""
    return foreign_folder(outside / "project")


@pytest.fixture(scope="session")
def service(everything: Installed, users_folder: Path, outside: Path) -> Iterator[Service]:
    """The whole service from the wheel, started in the user's folder."""
    with serving(everything, users_folder, outside / "data") as running:
        yield running
