"""Tests of one group share a process, so that what they share is started once a run."""

import os
import subprocess
import sys
from pathlib import Path

from distribution import group_of
from project_tree import ROOT

MODULE = """
import os
import pytest

{mark}

@pytest.mark.parametrize("number", range(8))
def test_where(number):
    with open({written!r} + os.environ["PYTEST_XDIST_WORKER"], "a") as file:
        file.write({name!r} + "\\n")
"""


def test_tests_of_one_group_run_in_one_process_and_others_where_there_is_room(tmp_path: Path) -> None:
    for name, group in (("one", "shared"), ("two", "shared"), ("three", None)):
        mark = f"pytestmark = pytest.mark.xdist_group({group!r})" if group else ""
        (tmp_path / f"test_{name}.py").write_text(
            MODULE.format(mark=mark, name=name, written=f"{tmp_path}/by-"), encoding="utf-8"
        )
    (tmp_path / "conftest.py").write_text("from distribution import pytest_xdist_make_scheduler\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'tests' / 'support'}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup"]
    done = subprocess.run(
        command,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {path.name: path.read_text().split() for path in tmp_path.glob("by-*")}
    assert len(ran) == 2
    assert sorted(name for names in ran.values() for name in names) == ["one"] * 8 + ["three"] * 8 + ["two"] * 8
    (shared,) = [names for names in ran.values() if "one" in names]
    assert shared.count("one") == shared.count("two") == 8


def test_a_group_is_named_where_it_is_looked_for() -> None:
    sources = [source for source in ROOT.glob("tests/**/test_*.py") if source != Path(__file__)]
    named = {source for source in sources if "mark.xdist_group" in source.read_text(encoding="utf-8")}
    assert len(named) > 30
    assert {source for source in sources if group_of(source)} == named
