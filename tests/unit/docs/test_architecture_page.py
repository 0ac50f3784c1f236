"""The walk of docs/architecture.md can be followed with an editor: each file is there, and the name stands in it."""

import re

import pytest
from project_tree import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"`(\w+)`\s+of\s+`([\w./]+\.py)`", PAGE)
PATHS = sorted(set(re.findall(r"`([\w.]+(?:/[\w.-]+)+)`", PAGE)))
PACKAGES = ("attention", "models", "formats", "migrations", "report", "workers", "service", "hearken")


@pytest.mark.parametrize(("name", "path"), STEPS, ids=[f"{path}:{name}" for name, path in STEPS])
def test_every_name_of_the_walk_stands_in_its_file(name: str, path: str) -> None:
    defined = rf"^\s*(?:class |def |async def ){name}\b"
    assert re.search(defined, (ROOT / path).read_text(encoding="utf-8"), flags=re.M)


@pytest.mark.parametrize("path", PATHS)
def test_every_place_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_walk_goes_through_every_package_and_each_folder_of_the_science() -> None:
    places = {path for _, path in STEPS}
    assert {path.partition("/")[0] for path in places} == set(PACKAGES) - {"migrations"}
    folders = {path.parent.name for path in (ROOT / "attention").glob("*/__init__.py")}
    assert {path.split("/")[1] for path in places if path.startswith("attention/")} == folders


def test_the_glossary_has_the_words_of_the_trade_once_each() -> None:
    words = re.findall(r"^\| ([\w, -]+) \| .+ \|$", PAGE.partition("## Glossary")[2], flags=re.M)[1:]
    assert words == sorted(words)
    assert len(words) == len(set(words))
    wanted = {"claim", "lease", "fencing token", "wake-up", "inquiry", "pass", "window", "scaffold", "sink", "lift"}
    assert wanted | {"profile"} <= set(words)
