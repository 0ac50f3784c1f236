"""With AUTH=keys: a key says whose request it is, and what is another tenant's does not exist."""

import httpx
import pytest
from api_service import bearer, json_lines, problem_of
from kept_services import WITH_KEYS
from sqlalchemy import Engine

from models.queries.access.keys import NewKey, create_key, revoke_key

pytestmark = pytest.mark.xdist_group("api with keys")
SERVICE = WITH_KEYS

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def keys(engine: Engine) -> dict[str, NewKey]:
    with engine.begin() as connection:
        made = {name: create_key(connection, name) for name in ("north", "south")}
        made["revoked"] = create_key(connection, "south")
        revoke_key(connection, made["revoked"].id)
    return made


def test_a_key_looks_like_one_and_is_kept_only_as_a_digest(keys: dict[str, NewKey], engine: Engine) -> None:
    secret = keys["north"].secret
    assert secret.startswith("hk_")
    assert len(secret) > 40
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT api_key::text FROM api_key").scalars().all()
    assert len(rows) == 3
    assert not [row for row in rows if secret in row]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer hk_wrong", "Basic eDp5", "hk_x", "Bearer " + "x" * 5000]
)
def test_without_a_key_that_holds_nothing_is_answered(api: httpx.Client, header: str | None) -> None:
    answer = api.get("/v1/models", headers={"Authorization": header} if header is not None else {})
    problem_of(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_key_holds_no_more(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    assert api.get("/v1/models", headers=bearer(keys["north"])).status_code == 200
    problem_of(api.get("/v1/models", headers=bearer(keys["revoked"])), 401, "unauthenticated")


def test_health_and_problem_pages_need_no_key(api: httpx.Client) -> None:
    for path in ("/healthz", "/", "/problems/", "/problems/not-found", "/openapi.json"):
        assert api.get(path).status_code == 200


def test_another_tenants_things_do_not_exist(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    north, south = bearer(keys["north"]), bearer(keys["south"])
    lines = json_lines(*({"domain": name, "text": f"{name} {n}"} for name in ("a", "b") for n in range(8)))
    dataset = api.post("/v1/datasets", content=lines, headers=north).json()["id"]
    batch = api.post("/v1/batches", json={"dataset_id": dataset}, headers=north).json()["id"]
    groups = [{"name": name, "dataset_id": dataset, "domain": name} for name in ("a", "b")]
    job = api.post("/v1/comparisons", json={"groups": groups}, headers=north).json()
    comparison = job["result"]
    paths = [
        ("GET", f"/v1/datasets/{dataset}"),
        ("GET", f"/v1/jobs/{batch}"),
        ("GET", f"/v1/jobs/{batch}/events"),
        ("GET", f"/v1/jobs/{batch}/failures"),
        ("POST", f"/v1/jobs/{batch}/cancel"),
        ("DELETE", f"/v1/jobs/{batch}"),
        ("DELETE", f"/v1/datasets/{dataset}"),
        ("GET", comparison),
        ("GET", f"{comparison}/report"),
        ("DELETE", comparison),
    ]
    for method, path in paths:
        theirs = problem_of(api.request(method, path, headers=south), 404, "not-found")
        other = path.replace(path.split("/")[3], path.split("/")[3][:-3] + "000")
        nobodys = problem_of(api.request(method, other, headers=south), 404, "not-found")
        assert theirs["detail"].replace(path.split("/")[3], "") == nobodys["detail"].replace(other.split("/")[3], "")
    for name in ("datasets", "jobs", "comparisons", "analyses"):
        assert api.get(f"/v1/{name}", headers=south).json() == {"items": [], "next": None}
    problem_of(api.post("/v1/batches", json={"dataset_id": dataset}, headers=south), 422, "dataset-unknown")
    problem_of(api.post("/v1/comparisons", json={"groups": groups}, headers=south), 422, "dataset-unknown")
    assert api.get(f"/v1/datasets/{dataset}", headers=north).status_code == 200
    assert api.get(f"/v1/jobs/{batch}", headers=north).json()["state"] == "queued"


def test_two_tenants_may_use_the_same_idempotency_key(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    answers = [
        api.post(
            "/v1/analyses", json={"text": name}, headers={**bearer(keys[name]), **ASYNC, "Idempotency-Key": "same"}
        )
        for name in ("north", "south")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] != answers[1].json()["id"]
