"""The page of routes and fields, offline: nothing of it comes from anywhere but the service."""

import httpx
import pytest
from api_service import problem_of
from playwright.sync_api import expect

from tests.browser.chromium import Pages, addresses, complaints

pytestmark = pytest.mark.xdist_group("browser")


@pytest.mark.parametrize("width", [390, 1280])
def test_every_operation_is_shown_and_no_other_host_is_asked(new_page: Pages, api: httpx.Client, width: int) -> None:
    page = new_page(width, dark=width == 390)
    page.goto(f"{api.base_url}/docs")
    described = api.get("/openapi.json").json()
    operations = page.locator(".opblock")
    expect(operations).to_have_count(sum(len(methods) for methods in described["paths"].values()))
    operations.first.locator(".opblock-summary-control").click()
    expect(operations.first.locator(".responses-wrapper")).to_be_visible()
    assert complaints(page) == []
    asked = addresses(page)
    assert [one for one in asked if not one.startswith(str(api.base_url))] == []
    assert f"{api.base_url}/docs/swagger-ui-bundle.js" in asked
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.evaluate("document.documentElement.classList.contains('dark-mode')") is (width == 390)


def test_the_pages_files_carry_the_security_headers_and_others_do_not_exist(api: httpx.Client) -> None:
    for path, kind in (("", "text/html"), ("/start.js", "text/javascript"), ("/swagger-ui.css", "text/css")):
        answer = api.get(f"/docs{path}")
        assert answer.headers["content-type"].startswith(kind)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "http" not in policy
        assert "unsafe-eval" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    problem_of(api.get("/docs/other.css"), 404, "not-found")
    problem_of(api.get("/docs/..%2fother.css"), 404, "not-found")
    problem_of(api.get("/redoc"), 404, "not-found")
