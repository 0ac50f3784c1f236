"""The version stands once, in pyproject.toml; whatever shows it asks for what is installed."""

import tomllib
from importlib.metadata import version
from typing import Any

from project_tree import ROOT

from models.settings import Settings
from service.app import create_app

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CODE = (
    "attention",
    "benchmarks",
    "docker",
    "formats",
    "hearken",
    "migrations",
    "models",
    "report",
    "service",
    "workers",
)


def test_what_is_installed_and_served_is_the_version_of_the_project() -> None:
    assert version("hearken") == PROJECT["version"]
    assert create_app(Settings()).openapi()["info"]["version"] == PROJECT["version"]


def test_no_code_says_the_version_again() -> None:
    sources = [path for room in CODE for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 100
    assert [path for path in sources if f'"{PROJECT["version"]}"' in path.read_text(encoding="utf-8")] == []


def test_the_changelog_has_a_section_for_it() -> None:
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
