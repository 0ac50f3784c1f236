"""The rooms of the house keep their order: imports go down the list only, and only the science loads torch."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_tree import ROOT

FROM_TOP_TO_BOTTOM = ("hearken", "service", "workers", "migrations", "models", "attention")
OUTSIDE_OF_THE_SCIENCE = {
    "sqlalchemy", "psycopg", "pgvector", "alembic", "pydantic", "pydantic_settings",
    "fastapi", "starlette", "uvicorn", "httpx", "celery", "kombu", "redis", "typer", "rich",
}  # fmt: skip


def imported(source: Path) -> Iterator[str]:
    """The top-level package of everything that `source` imports, wherever in the file."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("room", FROM_TOP_TO_BOTTOM)
def test_a_room_imports_only_from_rooms_below_it(room: str) -> None:
    above = FROM_TOP_TO_BOTTOM[: FROM_TOP_TO_BOTTOM.index(room)]
    sources = sorted((ROOT / room).rglob("*.py"))
    assert sources
    wrong = [
        f"{source.relative_to(ROOT)} imports {name}" for source in sources for name in imported(source) if name in above
    ]
    assert wrong == []


@pytest.mark.parametrize("room", FROM_TOP_TO_BOTTOM)
def test_no_room_imports_its_tests_or_benchmarks(room: str) -> None:
    names = {name for source in (ROOT / room).rglob("*.py") for name in imported(source)}
    assert names.isdisjoint({"tests", "benchmarks", "pytest"})


def test_the_science_knows_no_database_no_http_and_no_queue() -> None:
    names = {name for source in (ROOT / "attention").rglob("*.py") for name in imported(source)}
    assert names & OUTSIDE_OF_THE_SCIENCE == set()


@pytest.mark.parametrize("module", ["service", "service.app", "workers.app", "models.tables", "hearken.cli.main"])
def test_what_answers_people_starts_without_torch(module: str) -> None:
    assert importlib.util.find_spec(module) is not None
    heavy = "{'torch', 'transformers', 'scipy', 'sklearn', 'openTSNE'}"
    script = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_package_says_what_belongs_in_it() -> None:
    for room in FROM_TOP_TO_BOTTOM:
        docstring = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))
        assert docstring, room
