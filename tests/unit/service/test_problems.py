"""Every way to go wrong has one problem type, and each type a page."""

import re
from html.parser import HTMLParser

import pytest
from project_tree import ROOT

from attention import errors
from models.errors import Refused
from service.http.problems import CLASSES, MEASURING_FAILED, PROBLEM_TYPES, failure
from service.pages.html import front_page, problem_page, problems_page


def leaves(top: type) -> set[type]:
    return {top} | {leaf for below in top.__subclasses__() for leaf in leaves(below)}


def test_every_failure_of_the_science_is_a_problem_type() -> None:
    codes = {kind.code for kind in leaves(errors.HearkenError)}
    assert codes - PROBLEM_TYPES.keys() == set()


def test_every_refusal_of_the_records_is_a_problem_type() -> None:
    codes = {kind.code for kind in leaves(Refused) - {Refused}}
    assert codes - PROBLEM_TYPES.keys() == set()


def test_every_reason_that_workers_write_is_a_problem_type() -> None:
    sources = [*ROOT.glob("workers/**/*.py"), *ROOT.glob("models/queries/**/*.py")]
    found = {name for source in sources for name in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', source.read_text())}
    reasons = found - {"hearken-worker", "utf-8"}
    assert reasons - PROBLEM_TYPES.keys() == set()
    assert {"worker-lost", "no-documents"} <= reasons


def test_names_are_unique_and_statuses_are_errors() -> None:
    kinds = [kind for kinds in CLASSES.values() for kind in kinds]
    assert len(kinds) == len(PROBLEM_TYPES)
    assert all(400 <= kind.status < 600 for kind in kinds)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.name) for kind in kinds)


def test_an_unknown_reason_is_our_fault_not_the_clients() -> None:
    assert failure("what-is-this", "said so").kind is MEASURING_FAILED
    assert failure(None, None).detail == MEASURING_FAILED.remedy


class Balanced(HTMLParser):
    """Counts tags that were opened and not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, *_: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", sorted(PROBLEM_TYPES))
def test_each_type_has_a_page_that_says_what_to_do(name: str) -> None:
    page = problem_page(PROBLEM_TYPES[name])
    assert Balanced(page).open == []
    assert "What to do" in page
    assert name in page
    assert f"/problems/{name}" in problems_page()


def test_the_front_page_is_whole_and_shows_a_key_only_where_one_is_needed() -> None:
    assert Balanced(front_page((), "http://127.0.0.1:8321/", keys=False)).open == []
    assert "Bearer" not in front_page((), "http://127.0.0.1:8321/", keys=False)
    assert "Bearer" in front_page((), "http://127.0.0.1:8321/", keys=True)
