"""What CONTRIBUTING.md says where to find is there."""

import re

import pytest
from project_tree import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted({path for path in re.findall(r"`([\w./-]+)`", PAGE) if "/" in path or path.endswith(".md")})
NAMES = re.findall(r"`(\w+)` (?:in|of)\s+`([\w./]+\.py)`", PAGE)


@pytest.mark.parametrize("path", PATHS)
def test_every_place_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_every_name_it_sends_to_stands_there(name: str, path: str) -> None:
    assert re.search(rf"^(?:class |def )?{name}\b", (ROOT / path).read_text(encoding="utf-8"), flags=re.M)


def test_it_covers_what_people_add() -> None:
    headings = re.findall(r"^### (.+)$", PAGE, flags=re.M)
    assert {"A metric", "A family of models", "A transcript format", "A route", "A migration"} <= set(headings)
    assert len(PATHS) > 40
    assert len(NAMES) >= 7


def test_the_readme_leads_to_it() -> None:
    working = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Working on it")[2]
    assert all(f"]({page})" in working for page in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))
