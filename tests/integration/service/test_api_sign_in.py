"""Signing in: a key is exchanged for a cookie that a browser sends along, with which it can read and nothing else."""

from http.cookies import SimpleCookie

import httpx
import pytest
from api_service import json_lines, problem_of
from kept_services import WITH_KEYS
from sqlalchemy import Engine, text

from models.queries.access.keys import NewKey, create_key, revoke_key
from models.queries.queue.sweeping import delete_expired

pytestmark = pytest.mark.xdist_group("api with keys")
SERVICE = WITH_KEYS

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "Accept": "text/html"}
OWN_FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def key(engine: Engine, request: pytest.FixtureRequest) -> NewKey:
    """A key of a tenant of the test's own."""
    with engine.begin() as connection:
        return create_key(connection, request.node.name)


def sign_in(api: httpx.Client, key: str, onward: str = "/", **headers: str) -> httpx.Response:
    return api.post("/login", data={"key": key, "next": onward}, headers={**OWN_FORM, **headers})


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    """The header that sends the cookie back."""
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return {"Cookie": f"{morsel.key}={morsel.value}"}


def test_a_key_becomes_a_cookie_that_no_script_and_no_other_site_can_use(api: httpx.Client, key: NewKey) -> None:
    answer = sign_in(api, f" {key.secret}\n", "/v1/jobs?limit=5")
    api.cookies.clear()
    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/jobs?limit=5")
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert morsel["httponly"] is True
    assert (morsel["samesite"], morsel["path"], morsel["max-age"]) == ("lax", "/", "7200")
    assert key.secret not in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_cookie_reads_what_is_the_tenants_and_changes_nothing(api: httpx.Client, key: NewKey) -> None:
    bearer = {"Authorization": f"Bearer {key.secret}"}
    dataset = api.post("/v1/datasets", content=json_lines({"text": "The ferry left at six."}), headers=bearer).json()
    cookie = cookie_of(sign_in(api, key.secret))
    api.cookies.clear()
    listed = api.get("/v1/datasets", headers=cookie).json()
    assert [entry["id"] for entry in listed["items"]] == [dataset["id"]]
    problem_of(api.post("/v1/datasets", content=b'{"text": "a"}', headers=cookie), 401, "unauthenticated")
    problem_of(api.delete(f"/v1/datasets/{dataset['id']}", headers=cookie), 401, "unauthenticated")
    assert api.get(f"/v1/datasets/{dataset['id']}", headers=bearer).status_code == 200


@pytest.mark.parametrize("wrong", ["", "hk_wrong", "x" * 5000, "hk_é"])
def test_a_wrong_key_is_told_on_the_page(api: httpx.Client, wrong: str) -> None:
    answer = sign_in(api, wrong)
    assert answer.status_code == 401
    assert "role=alert" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "/é"]
)
def test_it_leads_to_no_other_site(api: httpx.Client, key: NewKey, onward: str) -> None:
    assert sign_in(api, key.secret, onward).headers["location"] == "/"
    api.cookies.clear()
    assert 'value="/"' in api.get("/login", params={"next": onward}).text.replace("'", '"')


def test_what_is_written_into_the_page_stays_text(api: httpx.Client) -> None:
    page = api.get("/login", params={"next": "/'><script>alert(1)</script>"})
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "form-action 'self'" in page.headers["content-security-policy"]


def test_a_form_of_another_site_signs_nobody_in(api: httpx.Client, key: NewKey) -> None:
    answer = sign_in(api, key.secret, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_person_who_opens_a_page_is_led_to_sign_in_and_a_program_is_told(api: httpx.Client) -> None:
    address = "/v1/comparisons/cmp_x/report?a=b c"
    led = api.get(address, headers=NAVIGATION)
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/v1/comparisons/cmp_x/report%3Fa%3Db%2520c")
    problem_of(api.get("/v1/comparisons/cmp_x/report"), 401, "unauthenticated")


def test_a_revoked_key_ends_what_was_begun_with_it(api: httpx.Client, key: NewKey, engine: Engine) -> None:
    cookie = cookie_of(sign_in(api, key.secret))
    api.cookies.clear()
    assert api.get("/v1/jobs", headers=cookie).status_code == 200
    with engine.begin() as connection:
        revoke_key(connection, key.id)
    problem_of(api.get("/v1/jobs", headers=cookie), 401, "unauthenticated")


def test_signing_out_and_time_end_it(api: httpx.Client, key: NewKey, engine: Engine) -> None:
    out, late = (cookie_of(sign_in(api, key.secret)) for _ in range(2))
    api.cookies.clear()
    assert api.post("/logout", headers={**out, "Sec-Fetch-Site": "cross-site"}).status_code == 303
    assert api.get("/v1/jobs", headers=out).status_code == 200
    gone = api.post("/logout", headers={**out, **OWN_FORM})
    assert (gone.status_code, gone.headers["location"]) == (303, "/login")
    problem_of(api.get("/v1/jobs", headers=out), 401, "unauthenticated")
    assert api.get("/v1/jobs", headers=late).status_code == 200
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sign_in SET expires_at = now() - interval '1 s' WHERE key_id = :id"), {"id": key.id}
        )
    problem_of(api.get("/v1/jobs", headers=late), 401, "unauthenticated")
    with engine.begin() as connection:
        swept = delete_expired(connection, idempotency_hours=24, worker_seconds=3600)
        left = connection.execute(text("SELECT count(*) FROM sign_in WHERE key_id = :id"), {"id": key.id})
        assert (swept["signed-in browsers"] >= 1, left.scalar_one()) == (True, 0)


def test_only_digests_are_kept(api: httpx.Client, key: NewKey, engine: Engine) -> None:
    cookie = cookie_of(sign_in(api, key.secret))["Cookie"].partition("=")[2]
    api.cookies.clear()
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT sign_in::text FROM sign_in")).scalars().all()
    assert rows
    assert not [row for row in rows if cookie in row or key.secret in row]


def test_other_bodies_are_refused(api: httpx.Client) -> None:
    problem_of(api.post("/login", json={"key": "hk_x"}), 415, "unsupported-media-type")
    large = api.post("/login", data={"key": "x" * 10_000})
    problem_of(large, 413, "body-too-large")
