"""Attack: strangers to a service with AUTH=open, by name tricks or a browser's other page. None is let in."""

import httpx
import pytest
from api_service import problem_of

pytestmark = pytest.mark.xdist_group("hostile http")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "192.168.0.7"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(api: httpx.Client, host: str) -> None:
    problem_of(api.get("/v1/jobs", headers={"Host": host}), 403, "not-local")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_in_a_browser_here_is_refused(api: httpx.Client, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Content-Type": "text/plain"}
    problem_of(api.post("/v1/datasets", content=b'{"text": "a"}', headers=headers), 403, "not-local")
    assert api.get("/v1/datasets").json()["items"] == []


def test_ones_own_pages_and_programs_are_served(api: httpx.Client) -> None:
    assert api.get("/v1/jobs", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert api.get("/v1/jobs", headers={"Host": "localhost"}).status_code == 200
    assert api.get("/v1/jobs", headers={"Host": "[::1]:8321"}).status_code == 200
