"""A person with a browser and a key: from a report's address to the sign-in and back."""

import json
import re

import pytest
from kept_services import WITH_KEYS, KeptService
from playwright.sync_api import expect

from models.queries.access.keys import create_key
from tests.browser.chromium import Pages

pytestmark = pytest.mark.xdist_group("browser")
SERVICE = WITH_KEYS

SIGN_IN = re.compile(r"/login(\?|$)")


def test_an_address_leads_through_the_sign_in_to_what_was_asked_for(new_page: Pages, service: KeptService) -> None:
    api = service.api
    with service.engine.begin() as connection:
        secret = create_key(connection, "Ana").secret
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
