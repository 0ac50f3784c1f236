"""A user's folder has its own `models/`, `report.py`, `service.py`: ours and theirs are found, each by its owner."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.installed import Installed, plain_environment
from tests.packaging.running import FOREIGN, Service

pytestmark = pytest.mark.xdist_group("serve")

CONVERSATION = {"turns": [{"speaker": "Ana", "text": "Are you coming?"}, {"speaker": "Bo", "text": "Yes, at six."}]}
THEIRS = "".join(f"import {name}\nassert {name}.OWNER == 'the user', {name}\n" for name in FOREIGN)
ANALYZE = f"""
import pickle, sys
from hearken.client import Client
from hearken.errors import ProblemError
with Client(sys.argv[1]) as hearken:
    analysis = hearken.analyze({CONVERSATION!r}, include=("flow",))
    try:
        hearken.analysis("an_unknown")
    except ProblemError as error:
        assert error.status == 404
assert pickle.loads(pickle.dumps(analysis)) == analysis
print(analysis.speakers)
"""


@pytest.fixture(params=["the wheel", "the tree"])
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter that has Hearken installed from the wheel, and the one that has the tree for editing."""
    if request.param == "the tree":
        return sys.executable
    everything: Installed = request.getfixturevalue("everything")
    return everything.python


@pytest.mark.parametrize("program", [THEIRS + ANALYZE, ANALYZE + THEIRS], ids=["theirs first", "ours first"])
def test_a_program_there_uses_the_client_and_its_own_modules(
    python: str, users_folder: Path, service: Service, program: str
) -> None:
    assert ran(python, "-c", program, service.url, cwd=users_folder) == "['Ana', 'Bo']\n"


def test_a_script_that_lies_there_does_so_from_anywhere(
    python: str, users_folder: Path, service: Service, tmp_path: Path
) -> None:
    script = users_folder / "measure.py"
    script.write_text(ANALYZE + THEIRS, encoding="utf-8")
    assert ran(python, str(script), service.url, cwd=tmp_path) == "['Ana', 'Bo']\n"


@pytest.mark.parametrize("by_its_name", [True, False], ids=["hearken", "python -m hearken"])
def test_the_command_measures_a_file_there(
    python: str, users_folder: Path, service: Service, by_its_name: bool
) -> None:
    (users_folder / "talk.json").write_text(json.dumps(CONVERSATION), encoding="utf-8")
    command = [str(Path(python).with_name("hearken"))] if by_its_name else [python, "-m", "hearken"]
    said = ran(*command, "analyze", "talk.json", "--server", service.url, cwd=users_folder)
    assert "who attends" in said


def test_a_part_that_is_started_there_by_hand_loads_ours(python: str, users_folder: Path) -> None:
    """`hearken migrate` gets as far as the database, through every room of the house but the science."""
    settings = {"HEARKEN_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/nothing"}
    done = run(python, "-m", "hearken", "migrate", cwd=users_folder, **settings)
    assert done.returncode == 2
    assert done.stderr.startswith("hearken: the database cannot be reached")


def test_the_stack_that_was_started_there_has_nothing_to_complain_of(service: Service) -> None:
    logs = {path.stem: path.read_text(encoding="utf-8") for path in service.logs.glob("*.log")}
    assert {"api", "worker-1", "beat"} <= set(logs)
    assert [name for name, log in logs.items() if "Traceback" in log or "OWNER" in log] == []


def test_packages_of_ours_are_found_by_a_notebook_that_asks_for_them(everything: Installed, tmp_path: Path) -> None:
    notebook = """
from hearken.packages import come_first
come_first()
from attention.comparison.compare import compare
import hearken.client, models.schemas.analyses
assert hearken.client.Analysis is models.schemas.analyses.Analysis
print(compare.__module__)
"""
    assert ran(everything.python, "-c", notebook, cwd=tmp_path).startswith("attention.comparison")


def test_a_process_that_has_others_already_is_told_so_in_one_line(everything: Installed, users_folder: Path) -> None:
    program = "import models\nfrom hearken.packages import come_first\ncome_first()"
    done = run(everything.python, "-c", program, cwd=users_folder)
    last = done.stderr.splitlines()[-1]
    theirs = users_folder / "models" / "__init__.py"
    assert last.startswith(f"ImportError: models is imported already, from {theirs}: Hearken's own packages cannot")


def ran(*command: str, cwd: Path) -> str:
    """What a program that has to end well says."""
    done = run(*command, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def run(*command: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """A program, to its end, in an environment that leads nowhere."""
    environment = plain_environment(**settings)
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
