"""The page of routes and fields, offline: nothing of it comes from anywhere but the service."""

from collections.abc import Iterator

import httpx
import pytest
from api_service import api_process, problem_of

from hearken.local import RedisServer
from tests.browser.chromium import Browser

pytestmark = pytest.mark.xdist_group("browser")

OPERATIONS = "document.querySelectorAll('.opblock').length"


@pytest.fixture(scope="module")
def api(
    module_database_url: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    with api_process(module_database_url, redis_server.url, tmp_path_factory.mktemp("api") / "log") as client:
        yield client


@pytest.mark.parametrize("width", [390, 1280])
def test_every_operation_is_shown_and_no_other_host_is_asked(browser: Browser, api: httpx.Client, width: int) -> None:
    page = browser.page(width, dark=width == 390)
    page.open(f"{api.base_url}/docs")
    described = api.get("/openapi.json").json()
    page.until(f"{OPERATIONS} === {sum(len(methods) for methods in described['paths'].values())}")
    page.evaluate("document.querySelector('.opblock-summary-control').click()")
    page.until("document.querySelector('.opblock .responses-wrapper') !== null")
    assert page.errors == []
    addresses = [one for one in page.requests if not one.startswith(("data:", "blob:"))]
    assert [one for one in addresses if not one.startswith(str(api.base_url))] == []
    assert f"{api.base_url}/docs/swagger-ui-bundle.js" in addresses
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
