"""A person with a browser and a key: from a report's address to the sign-in and back."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_service import api_process
from sqlalchemy import create_engine

from models.queries.access.keys import create_key
from tests.browser.chromium import Browser

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def api(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with api_process(database_url, broker_url, tmp_path / "api.log", auth="keys") as client:
        yield client


def test_an_address_leads_through_the_sign_in_to_what_was_asked_for(
    browser: Browser, api: httpx.Client, database_url: str
) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        key = create_key(connection, "Ana").secret
    engine.dispose()
    page = browser.page(390, dark=True)
    page.open(f"{api.base_url}/v1/datasets?limit=7")
    page.until("location.pathname === '/login'")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    send = "document.querySelector('#key').value = {}; document.querySelector('form').submit()"
    page.evaluate(send.format(repr("hk_wrong")))
    page.until("document.querySelector('[role=alert]') !== null")
    page.evaluate(send.format(repr(key)))
    page.until("location.pathname === '/v1/datasets'")
    assert page.evaluate("location.search") == "?limit=7"
    assert page.evaluate("JSON.parse(document.body.innerText).items.length") == 0
    assert page.evaluate("document.cookie") == ""
    page.open(f"{api.base_url}/login")
    page.evaluate("document.querySelector('form').submit()")
    page.until("document.querySelector('#key') !== null")
    page.open(f"{api.base_url}/v1/datasets")
    page.until("location.pathname === '/login'")
