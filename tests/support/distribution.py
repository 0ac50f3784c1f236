"""How xdist shares the tests out: those of one `xdist_group` go to one process, so that what they share starts once.

pytest-xdist 3.8 does this by a suffix to the tests' ids that pytest 9.2 passes over without a word: every process would
start the servers of every group. Here the groups are read from the modules themselves.
"""

import ast
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class GroupScheduling(LoadScopeScheduling):
    """Gives a process all tests of a group, the groups of most tests first, and then every other test by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(self.config.rootpath / nodeid.partition("::")[0]) or nodeid


@cache
def group_of(module: Path) -> str | None:
    """The group that a module's `pytestmark` names; None where it names none."""
    for statement in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            for mark in ast.walk(statement.value):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.xdist_group":
                    return str(ast.literal_eval(mark.args[0]))
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling | None:
    """Use it for `--dist loadgroup`."""
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
