"""A person with a browser and a key: from a report's address to the sign-in and back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_service import api_process
from playwright.sync_api import expect
from sqlalchemy import create_engine

from models.queries.access.keys import create_key
from tests.browser.chromium import Pages

pytestmark = pytest.mark.xdist_group("browser")

SIGN_IN = re.compile(r"/login(\?|$)")


@pytest.fixture
def api(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with api_process(database_url, broker_url, tmp_path / "api.log", auth="keys") as client:
        yield client


def test_an_address_leads_through_the_sign_in_to_what_was_asked_for(
    new_page: Pages, api: httpx.Client, database_url: str
) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        secret = create_key(connection, "Ana").secret
    engine.dispose()
    page = new_page(390, dark=True)
    key, sign_in = page.get_by_label("Key"), page.get_by_role("button", name="Sign in")
    page.goto(f"{api.base_url}/v1/datasets?limit=7")
    expect(page).to_have_url(SIGN_IN)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    key.fill("hk_wrong")
    sign_in.click()
    expect(page.get_by_role("alert")).to_be_visible()
    key.fill(secret)
    sign_in.click()
    expect(page).to_have_url(f"{api.base_url}/v1/datasets?limit=7")
    assert json.loads(page.locator("pre").inner_text())["items"] == []
    assert page.evaluate("document.cookie") == ""
    page.goto(f"{api.base_url}/login")
    page.get_by_role("button", name="Sign out").click()
    expect(key).to_be_visible()
    page.goto(f"{api.base_url}/v1/datasets")
    expect(page).to_have_url(SIGN_IN)
