"""The report as a browser shows it: on a phone, in the dark, offline, on paper."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import planted_group

from attention.comparison.compare import compare
from attention.comparison.controls import compare_control
from attention.comparison.groups import ComparisonSettings
from attention.comparison.json_form import as_json
from report import build_report
from tests.browser.chromium import Browser, Page
from tests.browser.contrast import CONTRAST

pytestmark = pytest.mark.xdist_group("browser")

POINTS = 2_000
LONG_NAME = "conversations-of-a-very-long-name-without-any-space-1234567890"


@pytest.fixture(scope="module")
def result() -> Any:
    names = [("conversation", 0.6), ("code", 0.0), ("web", 0.2), (LONG_NAME, 0.9)]
    groups = [planted_group(name, size=12, layers=8, shift=shift, conversation=shift > 0) for name, shift in names]
    groups[1].skipped = {"too-short": 3}
    settings = ComparisonSettings()
    found = as_json(compare(groups, settings))
    again = [planted_group(name, size=12, layers=8, shift=shift / 3, seed=7) for name, shift in names]
    plain = replace(settings, metrics=("distance", "entropy", "sink"))
    found["controls"] = {
        "untrained": as_json(compare_control(again, plain, lambda _: None)),
        "shuffled_turns": {"refused": "group 'code' has 0 usable documents"},
    }
    return found


@pytest.fixture(scope="module")
def address(result: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of many points, as a file."""
    random = np.random.default_rng(5)
    names = [group["name"] for group in result["groups"]]
    points = [
        {"analysis_id": f"an_{number}", "group": names[number % 4], "x": float(x), "y": float(y)}
        for number, (x, y) in enumerate(random.normal(size=(POINTS, 2)) * 20)
    ]
    many = {**result, "maps": [{**drawn, "points": points} for drawn in result["maps"]]}
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(build_report(many, {"groups": names}, {"hearken": "0"}), encoding="utf-8")
    return file.as_uri()


View = Callable[..., Page]


@pytest.fixture(scope="module")
def view(running_browser: Browser, address: str) -> Iterator[View]:
    """The page in a width and scheme with every figure drawn, opened once for all tests that only look at it."""
    views: dict[tuple[int, bool], Page] = {}

    def look(width: int, *, dark: bool = False) -> Page:
        if (width, dark) not in views:
            views[width, dark] = shown(running_browser, address, width, dark=dark)
        return views[width, dark]

    yield look
    running_browser.close(*views.values())


def shown(browser: Browser, address: str, width: int, *, dark: bool = False) -> Page:
    """The page with every figure drawn."""
    page = browser.page(width, dark=dark)
    page.open(address)
    page.until(
        "(() => { const left = [...document.querySelectorAll('.plot')].find((place) => !place.dataset.width);"
        " if (left) left.scrollIntoView({behavior: 'instant'}); return !left; })()"
    )
    return page


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(view: View, width: int) -> None:
    page = view(width)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    wide = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((one) => !one.closest('.scroll, pre, nav div, .unseen') && "
        "one.getClientRects().length && one.getBoundingClientRect().right > innerWidth + 1)"
        ".map((one) => one.outerHTML.slice(0, 120))"
    )
    assert wide == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_label_of_a_figure_is_cut_off(view: View, width: int) -> None:
    page = view(width)
    cut = page.evaluate(
        "[...document.querySelectorAll('.plot')].flatMap((place) => { const box = place.getBoundingClientRect();"
        " return [...place.querySelectorAll('svg text')].filter((one) => one.getClientRects().length)"
        ".map((one) => [one.textContent, one.getBoundingClientRect()])"
        ".filter(([text, at]) => at.left < box.left - 1 || at.right > box.right + 1 || at.bottom > box.bottom + 1)"
        ".map(([text]) => place.dataset.figure + ': ' + text); })"
    )
    assert cut == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(view: View, dark: bool) -> None:
    page = view(390, dark=dark)
    found = page.evaluate(CONTRAST)
    assert sum(one["kind"] == "text" for one in found) > 300
    assert [one for one in found if one["kind"] == "text" and one["ratio"] < 4.5] == []


def test_figures_stand_out_from_a_dark_page(view: View) -> None:
    page = view(1280, dark=True)
    marks = [one for one in page.evaluate(CONTRAST) if one["kind"] == "mark"]
    assert len(marks) > 100
    assert [one for one in marks if one["ratio"] < 3] == []


def test_figures_follow_the_scheme_when_it_changes(browser: Browser, address: str) -> None:
    page = shown(browser, address, 1280)
    ink = "getComputedStyle(document.querySelector('.plot .xtitle')).fill"
    before = page.evaluate(ink)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.until(f"{ink} !== {json.dumps(before)}")
    assert page.evaluate(ink) == "rgb(232, 232, 228)"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_asks_for_nothing_and_the_console_stays_empty(view: View, address: str, dark: bool) -> None:
    page = view(1280, dark=dark)
    assert page.errors == []
    assert [one for one in page.requests if not one.startswith(("data:", "blob:"))] == [address]


def test_a_large_map_is_drawn_under_the_page_s_own_policy(browser: Browser, result: Any, tmp_path: Path) -> None:
    points = [
        {"analysis_id": str(number), "group": "code", "x": number % 61, "y": number // 61} for number in range(3_500)
    ]
    large = {**result, "maps": [{**result["maps"][0], "points": points}]}
    file = tmp_path / "large.html"
    file.write_text(build_report(large, {}, {}), encoding="utf-8")
    page = shown(browser, file.as_uri(), 768)
    assert page.errors == []
    assert page.evaluate("document.querySelectorAll('.plot canvas').length") > 0


def test_what_is_to_be_touched_is_large_enough_for_a_finger(view: View) -> None:
    page = view(390)
    small = page.evaluate(
        "[...document.querySelectorAll('button.key, select, nav a')]"
        ".filter((one) => one.getBoundingClientRect().height < 44).map((one) => one.textContent)"
    )
    assert small == []


def test_headings_and_figures_can_be_read_aloud(view: View) -> None:
    page = view(390)
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    said = page.evaluate("[...document.querySelectorAll('.plot')].map((one) => one.getAttribute('aria-label'))")
    assert all(len(text) > 40 for text in said)
    assert page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
    nameless = (
        "[...document.querySelectorAll('.scroll, pre')].filter((one) => !one.ariaLabel || one.tabIndex !== 0).length"
    )
    assert page.evaluate(nameless) == 0


def test_a_key_hides_its_group_everywhere_and_another_shows_a_control(browser: Browser, address: str) -> None:
    page = shown(browser, address, 1280)
    lines = "document.querySelectorAll('[data-figure=\"curve:distance\"] path.js-line').length"
    begin = page.evaluate(lines)
    page.evaluate("document.querySelector('[data-toggle=\"control:untrained\"]').click()")
    assert page.evaluate(lines) == begin + 4
    page.evaluate("document.querySelector('[data-toggle=\"group:code\"]').click()")
    assert page.evaluate(lines) < begin + 4
    pressed = "[...document.querySelectorAll('[data-toggle=\"group:code\"]')].map((one) => one.ariaPressed)"
    assert set(page.evaluate(pressed)) == {"false"}
    assert page.evaluate("document.querySelectorAll('[data-figure=\"map:0\"] .scatterlayer .trace').length") == 3


def test_paper_is_white_and_holds_every_figure(browser: Browser, address: str) -> None:
    page = browser.page(1280, dark=True)
    page.open(address)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    widths = page.evaluate("[...document.querySelectorAll('.plot')].map((one) => Number(one.dataset.width))")
    assert min(widths) > 200
    assert max(widths) <= 672
    assert page.evaluate("getComputedStyle(document.querySelector('.plot .xtitle')).fill") == "rgb(29, 33, 38)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("getComputedStyle(document.querySelector('.plot .xtitle')).fill") == "rgb(232, 232, 228)"
