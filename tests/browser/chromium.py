"""The installed Chromium, headless and driven by Playwright: pages of a given width and colour scheme."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60_000
"""How long Playwright waits for whatever it waits for, in milliseconds: a busy machine draws slowly."""
SLOW_DRIVER = "GL Driver Message (OpenGL, Performance,"
"""How Chromium begins to tell a page's console that this machine draws WebGL slowly, which no page can help."""


class Pages(Protocol):
    """Gives a page of this width in pixels, a phone's below 600, and of this colour scheme."""

    def __call__(self, width: int, *, dark: bool = False) -> Page: ...


def installed() -> str | None:
    """The program that HEARKEN_TEST_BROWSER names, or the first Chromium on the PATH."""
    return os.environ.get("HEARKEN_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def running(program: str) -> Iterator[Browser]:
    """The program with an empty profile, its scroll bars, and no sandbox, which root may not have."""
    expect.set_options(timeout=PATIENCE)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=program,
            chromium_sandbox=False,
            ignore_default_args=["--hide-scrollbars"],
            timeout=PATIENCE,
        ) as browser,
    ):
        yield browser


@contextmanager
def opening(browser: Browser) -> Iterator[Pages]:
    """Gives new, empty pages, each in a context of its own; all of them are closed in the end."""
    with ExitStack() as contexts:

        def new_page(width: int, *, dark: bool = False) -> Page:
            phone = width < 600
            context = contexts.enter_context(
                browser.new_context(
                    viewport={"width": width, "height": 844},
                    is_mobile=phone,
                    has_touch=phone,
                    color_scheme="dark" if dark else "light",
                )
            )
            context.set_default_timeout(PATIENCE)
            return context.new_page()

        yield new_page


def complaints(page: Page) -> list[str]:
    """What the page threw, and the errors and warnings that its console was told."""
    told = [
        f"{one.text} ({one.location['url']})"
        for one in page.console_messages(filter="all")
        if one.type in ("error", "warning", "assert") and SLOW_DRIVER not in one.text
    ]
    return [*map(str, page.page_errors(filter="all")), *told]


def addresses(page: Page) -> list[str]:
    """Everything that the page asked for, in order, but for what it carries or makes itself."""
    return [one.url for one in page.requests() if not one.url.startswith(("data:", "blob:"))]
