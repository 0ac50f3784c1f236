"""One browser for all tests that look at pages; without one they are skipped, and say so."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, chromium, running


@pytest.fixture
def browser(running_browser: Browser) -> Iterator[Browser]:
    """A running headless Chromium; the pages that a test opens are closed after it."""
    before = set(running_browser.pages)
    yield running_browser
    running_browser.close(*(page for session, page in running_browser.pages.items() if session not in before))


@pytest.fixture(scope="session")
def running_browser() -> Iterator[Browser]:
    """The one Chromium of this pytest process."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium on the PATH; install it, or name one in HEARKEN_TEST_BROWSER")
    with running(program) as started:
        yield started
