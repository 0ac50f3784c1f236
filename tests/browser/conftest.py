"""One browser for the tests of a module that look at pages; without one they are skipped, and say so."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Pages, installed, opening, running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running headless Chromium.

    It ends with the module, not with pytest: while Playwright lives, an asyncio loop counts as running in this thread,
    and whatever else calls `asyncio.run` here would be refused.
    """
    program = installed()
    if program is None:
        pytest.skip("no Chromium on the PATH; install it, or name one in HEARKEN_TEST_BROWSER")
    with running(program) as started:
        yield started


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Pages]:
    """New, empty pages for one test, each in a context of its own."""
    with opening(browser) as pages:
        yield pages
