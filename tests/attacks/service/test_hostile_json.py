"""Attack: bodies made to break a parser, a validator or the database. Each is answered as a client's mistake."""

import json
from collections.abc import Iterator

import httpx
import pytest
from kept_services import KeptService, ServicePlan

pytestmark = pytest.mark.xdist_group("hostile http")


SERVICE = ServicePlan({"max_body_bytes": "2000000"})


@pytest.fixture(scope="module", autouse=True)
def without_incident(service: KeptService) -> Iterator[None]:
    """Nothing that these tests send is a fault of the service, by its own log."""
    yield
    assert "incident" not in service.said()


BODIES = {
    "nested lists": b"[" * 100_000,
    "nested objects": b'{"text":' * 50_000,
    "nested inside a field": b'{"text": "a", "labels": ' + b'{"a":' * 20_000,
    "a null character": b'{"text": "a\\u0000b"}',
    "a null character in a label": b'{"text": "a", "labels": {"a\\u0000": "b"}}',
    "a null character in the domain": b'{"text": "a", "domain": "\\u0000"}',
    "half a surrogate pair": b'{"text": "a\\ud800b"}',
    "half a surrogate pair in a key": b'{"text": "a", "\\udfff": 1}',
    "half a surrogate pair in a label": b'{"text": "a", "labels": {"\\udfff": "b"}}',
    "not a number": b'{"text": "a", "labels": NaN}',
    "infinity": b'{"text": Infinity}',
    "a number of many digits": b'{"text": ' + b"9" * 10_000 + b"}",
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "broken UTF-8": b'{"text": "\xc3\x28"}',
    "a list": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "nothing": b"",
    "two objects": b'{"text": "a"}{"text": "b"}',
    "a prototype": b'{"__proto__": {"text": "a"}, "__class__": "a"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("path", ["/v1/analyses", "/v1/search", "/v1/comparisons", "/v1/batches"])
def test_a_hostile_body_is_a_clients_mistake(api: httpx.Client, path: str, body: bytes) -> None:
    answer = api.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].startswith("/problems/")
    assert len(answer.content) < 20_000, "what was sent is not sent back"


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_hostile_line_refuses_the_data_set(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/v1/datasets", content=b'{"text": "good"}\n' + body + b"\n[")
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "/problems/bad-dataset"
    assert api.get("/v1/datasets").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        "/v1/analyses?domain=%00",
        "/v1/analyses?label.a=%00",
        "/v1/analyses?label.%00=a",
        "/v1/analyses?job_id=%00",
        "/v1/analyses?cursor=%00",
        "/v1/analyses?min_entropy=nan",
        "/v1/analyses?min_entropy=1e999",
        "/v1/analyses?limit=99999999999999999999999",
        "/v1/analyses?created_after=0000-00-00",
        "/v1/analyses?created_after=99999999999999999",
        "/v1/jobs/%00",
        "/v1/jobs/%00/failures",
        "/v1/datasets/%00",
        "/v1/comparisons/%00/report",
        "/v1/comparisons/x/figures/%00.svg",
        "/v1/comparisons/x/figures/..%2f..%2fetc%2fpasswd.svg",
        "/v1/analyses/%ff",
        "/v1/analyses/" + "a" * 5000,
        "/problems/%00",
        "/v1/analyses/'; DROP TABLE job; --",
        "/v1/analyses?domain=' OR 1=1 --&sort=entropy",
    ],
)
def test_a_hostile_address_is_never_a_fault_of_the_service(api: httpx.Client, query: str) -> None:
    answer = api.get(query)
    assert answer.status_code in (200, 400, 404, 422), answer.text
    if answer.status_code == 200:
        assert answer.json()["items"] == []


def test_an_answer_never_carries_what_a_client_sent_as_markup(api: httpx.Client) -> None:
    mark = "<script>alert(1)</script>"
    for answer in (api.get(f"/problems/{mark}"), api.get(f"/{mark}"), api.get("/", headers={"Host": "localhost"})):
        assert mark not in answer.text or answer.headers["content-type"] == "application/problem+json"
    assert json.loads(api.get(f"/{mark}").text)["status"] == 404
