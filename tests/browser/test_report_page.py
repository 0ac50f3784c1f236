"""The report as a browser shows it: on a phone, in the dark, offline, on paper."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from planted import planted_group
from playwright.sync_api import Browser, Page, expect

from attention.comparison.compare import compare
from attention.comparison.controls import compare_control
from attention.comparison.groups import ComparisonSettings
from attention.comparison.parts.repeated import Refused
from attention.comparison.parts.spaces import Point
from attention.comparison.study import Study
from report import build_report
from tests.browser.chromium import Pages, addresses, complaints, opening
from tests.browser.contrast import CONTRAST

pytestmark = pytest.mark.xdist_group("browser")

POINTS = 2_000
LIGHT_INK, DARK_INK = "rgb(29, 33, 38)", "rgb(232, 232, 228)"
LONG_NAME = "conversations-of-a-very-long-name-without-any-space-1234567890"
SCROLL_THERE = """async place => {
  place.scrollIntoView({behavior: "instant"});
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
}"""
"""At once, and on until the page has had a frame in which to notice."""


@pytest.fixture(scope="module")
def result() -> Study:
    names = [("conversation", 0.6), ("code", 0.0), ("web", 0.2), (LONG_NAME, 0.9)]
    groups = [planted_group(name, size=12, layers=8, shift=shift, conversation=shift > 0) for name, shift in names]
    groups[1].skipped = {"too-short": 3}
    settings = ComparisonSettings()
    again = [planted_group(name, size=12, layers=8, shift=shift / 3, seed=7) for name, shift in names]
    plain = replace(settings, metrics=("distance", "entropy", "sink"))
    controls = {
        "untrained": compare_control(again, plain, lambda _: None),
        "shuffled_turns": Refused(refused="group 'code' has 0 usable documents"),
    }
    return replace(compare(groups, settings), controls=controls)


@pytest.fixture(scope="module")
def address(result: Study, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of many points, as a file."""
    random = np.random.default_rng(5)
    names = [group.name for group in result.groups]
    points = tuple(
        Point(analysis_id=f"an_{number}", group=names[number % 4], x=float(x), y=float(y))
        for number, (x, y) in enumerate(random.normal(size=(POINTS, 2)) * 20)
    )
    many = replace(result, maps=tuple(replace(drawn, points=points) for drawn in result.maps))
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(build_report(many, {"groups": names}, {"hearken": "0"}), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def view(browser: Browser, address: str) -> Iterator[Pages]:
    """The page in a width and scheme with every figure drawn, opened once for all tests that only look at it."""
    views: dict[tuple[int, bool], Page] = {}
    with opening(browser) as new_page:

        def look(width: int, *, dark: bool = False) -> Page:
            if (width, dark) not in views:
                views[width, dark] = shown(new_page(width, dark=dark), address)
            return views[width, dark]

        yield look


def shown(page: Page, address: str) -> Page:
    """The page at that address with every figure drawn."""
    page.goto(address)
    for place in page.locator(".plot").all():
        place.evaluate(SCROLL_THERE)
        expect(place).to_have_attribute("data-width", re.compile(r"\d"))
    return page


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(view: Pages, width: int) -> None:
    page = view(width)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    wide = page.locator("body *").evaluate_all(
        """all => all
          .filter(one => !one.closest(".scroll, pre, nav div, .unseen") && one.getClientRects().length)
          .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
          .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert wide == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_label_of_a_figure_is_cut_off(view: Pages, width: int) -> None:
    figures = view(width).locator(".plot")
    cut = figures.evaluate_all(
        """plots => plots.flatMap(plot => {
          const box = plot.getBoundingClientRect();
          const outside = at => at.left < box.left - 1 || at.right > box.right + 1 || at.bottom > box.bottom + 1;
          return [...plot.querySelectorAll("svg text")]
            .filter(text => text.getClientRects().length && outside(text.getBoundingClientRect()))
            .map(text => plot.dataset.figure + ": " + text.textContent);
        })"""
    )
    assert cut == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(view: Pages, dark: bool) -> None:
    page = view(390, dark=dark)
    found = page.evaluate(CONTRAST)
    assert sum(one["kind"] == "text" for one in found) > 300
    assert [one for one in found if one["kind"] == "text" and one["ratio"] < 4.5] == []


def test_figures_stand_out_from_a_dark_page(view: Pages) -> None:
    page = view(1280, dark=True)
    marks = [one for one in page.evaluate(CONTRAST) if one["kind"] == "mark"]
    assert len(marks) > 100
    assert [one for one in marks if one["ratio"] < 3] == []


def test_figures_follow_the_scheme_when_it_changes(new_page: Pages, address: str) -> None:
    page = shown(new_page(1280), address)
    title = page.locator(".plot .xtitle").first
    expect(title).to_have_css("fill", LIGHT_INK)
    page.emulate_media(color_scheme="dark")
    expect(title).to_have_css("fill", DARK_INK)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_asks_for_nothing_and_the_console_stays_empty(view: Pages, address: str, dark: bool) -> None:
    page = view(1280, dark=dark)
    assert complaints(page) == []
    assert addresses(page) == [address]


def test_a_large_map_is_drawn_under_the_page_s_own_policy(new_page: Pages, result: Study, tmp_path: Path) -> None:
    points = tuple(
        Point(analysis_id=str(number), group="code", x=number % 61, y=number // 61) for number in range(3_500)
    )
    large = replace(result, maps=(replace(result.maps[0], points=points),))
    file = tmp_path / "large.html"
    file.write_text(build_report(large, {}, {}), encoding="utf-8")
    page = shown(new_page(768), file.as_uri())
    assert complaints(page) == []
    assert page.locator(".plot canvas").count() > 0


def test_what_is_to_be_touched_is_large_enough_for_a_finger(view: Pages) -> None:
    touched = view(390).locator("button.key, select, nav a")
    small = touched.evaluate_all(
        "all => all.filter(one => one.getBoundingClientRect().height < 44).map(one => one.textContent)"
    )
    assert small == []


def test_headings_and_figures_can_be_read_aloud(view: Pages) -> None:
    page = view(390)
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    said = page.locator(".plot").evaluate_all("plots => plots.map(plot => plot.getAttribute('aria-label'))")
    assert all(len(text) > 40 for text in said)
    expect(page.locator("th:not([scope])")).to_have_count(0)
    nameless = page.locator(".scroll, pre").evaluate_all(
        "all => all.filter(one => !one.ariaLabel || one.tabIndex !== 0).map(one => one.outerHTML.slice(0, 120))"
    )
    assert nameless == []


def test_a_key_hides_its_group_everywhere_and_another_shows_a_control(new_page: Pages, address: str) -> None:
    page = shown(new_page(1280), address)
    lines = page.locator('[data-figure="curve:distance"] path.js-line')
    begin = lines.count()
    page.locator('[data-toggle="control:untrained"]').first.click()
    expect(lines).to_have_count(begin + 4)
    group = page.locator('[data-toggle="group:code"]')
    group.first.click()
    expect(page.locator('[data-figure="map:0"] .scatterlayer .trace')).to_have_count(3)
    assert lines.count() < begin + 4
    assert set(group.evaluate_all("keys => keys.map(key => key.ariaPressed)")) == {"false"}


def test_paper_is_white_and_holds_every_figure(new_page: Pages, address: str) -> None:
    page = new_page(1280, dark=True)
    page.goto(address)
    body, title = page.locator("body"), page.locator(".plot .xtitle").first
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # a browser says so first, and then turns to paper
    page.emulate_media(media="print")
    widths = page.locator(".plot").evaluate_all("plots => plots.map(plot => Number(plot.dataset.width))")
    assert min(widths) > 200
    assert max(widths) <= 672
    expect(title).to_have_css("fill", LIGHT_INK)
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(title).to_have_css("fill", DARK_INK)
