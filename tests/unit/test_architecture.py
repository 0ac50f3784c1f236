"""The packages keep their order, down to their folders, and nothing imports in a circle.

Every import counts, those inside functions and under `TYPE_CHECKING` too: what must not be needed at run time but is
named all the same ties two files together for whoever reads them.
"""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from project_tree import ROOT

PACKAGES = ("attention", "models", "formats", "migrations", "report", "workers", "service", "hearken")
"""From the ground up: a package imports only from those before it."""

# Inside a package, from the ground up: names on one line do not know each other. What is not named stands above all.
ORDER: Mapping[str, tuple[str, ...]] = {
    "attention": ("errors definitions", "text", "kernels", "hook", "reductions", "model", "measure", "comparison"),
    "attention.model": (
        "model weights tensors peft_alone", "devices", "quantization gguf checks network adapter", "source",
    ),
    "attention.kernels": ("groups rows transfer visibility", "layout", "call", "fused"),
    "attention.reductions": ("summed", "expectation", "fused"),
    "attention.comparison": ("json_form", "parts", "groups study", "alignment prepared", "statistics", "spaces"),
    "models": (
        "errors database_errors identifiers arrays states dataclass_models wide_vectors", "work settings",
        "schemas tables session_limits", "queries",
    ),
    "models.queries": ("access", "queue", "reading", "search", "writing"),
    "formats": ("errors notes pseudonyms documents", "encoding", "transcripts", "datasets"),
    "formats.transcripts": (
        "pieces names", "stamps", "timeline", "named_lines", "captions chats corpora meetings recognizers prefixes",
        "speakers registry", "turns",
    ),
    "formats.datasets": ("records gathering", "containers layouts", "detection", "contents", "archives"),
    "report": ("pairs rows", "wording", "alternatives controls", "figures"),
    "workers": (
        "app database", "process outbox frozen_sessions vector_graphs", "celery measuring", "inquiries", "comparing",
    ),
    "service": (
        "database", "http", "signals", "context", "auth", "views", "jobs", "uploads search pages", "routes",
        "exception_handlers",
    ),
    "service.routes": ("comparisons pages",),
    "hearken": ("packages errors", "client", "local", "cli"),
}  # fmt: skip
MOST_SIDE_BY_SIDE = 14
OUTSIDE_OF_THE_SCIENCE = {
    "sqlalchemy", "psycopg", "pgvector", "alembic", "pydantic", "pydantic_settings",
    "fastapi", "starlette", "uvicorn", "httpx", "celery", "kombu", "redis", "typer", "rich",
}  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """Every module of every package, by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by its own place, which this test cannot follow"
            yield from (f"{node.module}.{name.name}" for name in node.names)


@cache
def imports() -> dict[str, frozenset[str]]:
    """Which of our modules each module imports."""
    return {
        name: frozenset(
            known for target in imported(path) if (known := _module_of(target)) is not None and known != name
        )
        for name, path in modules().items()
    }


def _module_of(target: str) -> str | None:
    """The module that an imported name is, or stands in."""
    return next((name for name in (target, target.rpartition(".")[0]) if name in modules()), None)


def _child(name: str, parent: str) -> str | None:
    """`b` for the module `a.b` or `a.b.c` in `a`; None for what is not inside."""
    return name.removeprefix(parent + ".").partition(".")[0] if name.startswith(parent + ".") else None


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_from_packages_below_it(package: str) -> None:
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    mine = {name: targets for name, targets in imports().items() if name.partition(".")[0] == package}
    assert mine
    wrong = [f"{n} imports {t}" for n, targets in mine.items() for t in targets if t.partition(".")[0] in above]
    assert wrong == []


@pytest.mark.parametrize("parent", ORDER)
def test_inside_a_package_imports_go_down_its_order(parent: str) -> None:
    rank = {child: level for level, names in enumerate(ORDER[parent]) for child in names.split()}
    children = {child for name in modules() if (child := _child(name, parent)) is not None}
    assert rank.keys() <= children, "the order names what is not there"
    wrong = []
    for name, targets in imports().items():
        own = _child(name, parent)
        for target in targets:
            other = _child(target, parent)
            if own is None or other is None or own == other:
                continue
            if other not in rank and own not in rank:
                continue  # both stand above all: no circle between them is another test's promise
            if rank.get(other, len(rank)) >= rank.get(own, len(rank)):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_every_folder_inside_a_package_has_its_place_in_the_order() -> None:
    folders = {name for name, path in modules().items() if path.name == "__init__.py" and "." in name}
    placed = {f"{parent}.{child}" for parent, levels in ORDER.items() for names in levels for child in names.split()}
    assert folders - placed - {"migrations.versions"} == set()


def test_nothing_imports_in_a_circle() -> None:
    assert list(circles(imports())) == []


def circles(graph: Mapping[str, frozenset[str]]) -> Iterator[list[str]]:
    """Every set of modules that reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(name: str) -> Iterator[list[str]]:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(graph[name]):
            if target not in index:
                yield from visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            found = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(found) > 1:
                yield sorted(found)

    for name in graph:
        if name not in index:
            yield from visit(name)


def test_a_circle_would_be_found() -> None:
    graph = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("ad"), "d": frozenset()}
    assert list(circles(graph)) == [["a", "b", "c"]]


@pytest.mark.parametrize("top", [*PACKAGES, "benchmarks", "tests"])
def test_no_folder_has_more_modules_than_one_looks_through(top: str) -> None:
    counts: dict[str, int] = {}
    for path in (ROOT / top).rglob("*.py"):
        if path.name != "__init__.py":
            folder = str(path.parent.relative_to(ROOT))
            counts[folder] = counts.get(folder, 0) + 1
    assert counts
    assert {folder: count for folder, count in counts.items() if count > MOST_SIDE_BY_SIDE} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_its_tests_or_benchmarks(package: str) -> None:
    names = {name.partition(".")[0] for path in (ROOT / package).rglob("*.py") for name in imported(path)}
    assert names
    assert names.isdisjoint({"tests", "benchmarks", "pytest"})


def test_the_science_knows_no_database_no_http_and_no_queue() -> None:
    names = {name.partition(".")[0] for path in (ROOT / "attention").rglob("*.py") for name in imported(path)}
    assert "numpy" in names
    assert names & OUTSIDE_OF_THE_SCIENCE == set()


@pytest.mark.parametrize("module", ["service", "service.app", "workers.app", "models.tables", "hearken.cli.main"])
def test_what_answers_people_starts_without_torch(module: str) -> None:
    assert importlib.util.find_spec(module) is not None
    heavy = "{'torch', 'transformers', 'scipy', 'sklearn', 'openTSNE'}"
    script = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_package_says_in_three_lines_what_belongs_in_it() -> None:
    packages = [path for path in modules().values() if path.name == "__init__.py" and path.parent.name != "versions"]
    said = {str(path): (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "") for path in packages}
    assert [path for path, text in said.items() if not text] == []
    assert [path for path, text in said.items() if len([line for line in text.splitlines() if line]) > 3] == []
