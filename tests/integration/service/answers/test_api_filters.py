"""Filters, counts and statistics of stored analyses beside what was planted, and documents that are filed elsewhere."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from api_service import bearer, problem_of
from kept_services import WITH_KEYS, KeptService
from seeded_analyses import LAYERS, add_analyses, value_of
from sqlalchemy import Engine

from attention.definitions import METRIC_NAMES
from models.queries.access.keys import NewKey, create_key
from models.queries.reading import aggregates
from models.queries.reading.aggregates import QUANTILES, count_analyses
from models.queries.reading.filters import AnalysisFilter

pytestmark = pytest.mark.xdist_group("api with keys")
SERVICE = WITH_KEYS

COUNT = 60
OTHERS = 5


@pytest.fixture(scope="module")
def tenants(engine: Engine) -> dict[str, tuple[str, NewKey]]:
    """By name: the id and a key."""
    with engine.begin() as connection:
        keys = {name: create_key(connection, name) for name in ("mine", "theirs")}
        ids = dict(connection.exec_driver_sql("SELECT name, id FROM tenant").all())
        add_analyses(connection, COUNT, tenant_id=ids["mine"])
        add_analyses(connection, OTHERS, tenant_id=ids["mine"], model="other", external_id="other")
        add_analyses(connection, 7, tenant_id=ids["mine"], listed=False, external_id="compared")
        add_analyses(connection, 9, tenant_id=ids["theirs"])
    return {name: (ids[name], keys[name]) for name in keys}


@pytest.fixture(scope="module", autouse=True)
def asked_by_me(api: httpx.Client, tenants: dict[str, tuple[str, NewKey]]) -> None:
    api.headers.update(bearer(tenants["mine"][1]))


def entries(api: httpx.Client, **filters: Any) -> Iterator[dict[str, Any]]:
    """Every entry of the list, page by page."""
    cursor: str | None = None
    while True:
        asked = filters | {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = api.get("/v1/analyses", params=asked).raise_for_status().json()
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


def numbers(api: httpx.Client, **filters: Any) -> list[int]:
    """The numbers of what is found, as planted."""
    return [int(entry["external_id"].rpartition("-")[2]) for entry in entries(api, **filters)]


def test_documents_are_found_by_their_own_names(api: httpx.Client) -> None:
    assert numbers(api, external_id="call-17") == [17]
    assert numbers(api, external_id=["call-17", "call-4", "call-999"]) == [17, 4]
    assert numbers(api, external_id=["call-17", "call-4"], domain="prose") == [17]
    assert numbers(api, external_id="compared-1") == []
    exported = api.get("/v1/exports/analyses.jsonl", params={"external_id": "call-17"}).text.splitlines()
    assert len(exported) == 1
    problem_of(api.get("/v1/analyses", params={"external_id": ["x"] * 201}), 422, "invalid-request")


def test_ranges_and_order_may_be_those_of_a_layer(api: httpx.Client) -> None:
    lowest = value_of("entropy", 50, 1)
    found = numbers(api, layer=1, min_entropy=lowest, sort="-entropy", model="all-MiniLM-L6-v2")
    assert found == list(range(COUNT, 49, -1))
    assert numbers(api, layer=LAYERS) == []
    assert numbers(api, min_entropy=lowest) == [], "the document's own values are a thousand less"
    of_turns = numbers(api, layer=2, sort="cross_turn", model="all-MiniLM-L6-v2")
    assert of_turns[: COUNT // 2] == list(range(2, COUNT + 1, 2)), "defined for conversations, which come first"
    assert sorted(of_turns[COUNT // 2 :]) == list(range(1, COUNT, 2))


def test_a_cursor_of_one_layer_is_not_one_of_another(api: httpx.Client) -> None:
    cursor = api.get("/v1/analyses", params={"layer": 1, "sort": "entropy", "limit": 1}).json()["next"]
    asked = {"sort": "entropy", "limit": 1, "cursor": cursor}
    problem_of(api.get("/v1/analyses", params=asked | {"layer": 2}), 400, "bad-cursor")
    assert api.get("/v1/analyses", params=asked | {"layer": 1}).status_code == 200


@pytest.mark.parametrize(
    ("path", "others"),
    [("analyses", "sort"), ("analyses/summary", "by"), ("analyses/statistics?metric=entropy", "metric")],
)
def test_an_unknown_parameter_is_told_the_right_ones(api: httpx.Client, path: str, others: str) -> None:
    address = httpx.URL(f"/v1/{path}")
    for name in ("domian", "label", "min_entropi", "label."):
        said = problem_of(api.get(address.copy_add_param(name, "1")), 422, "invalid-request")
        [fault] = said["errors"]
        assert fault["pointer"] == f"query:{name}"
        right = METRIC_NAMES if name.startswith("min_") else ("external_id", "label.KEY", "min_METRIC", others)
        assert [word for word in right if word not in fault["message"]] == []


def test_a_list_says_how_long_it_is_when_it_is_asked(api: httpx.Client) -> None:
    page = api.get("/v1/analyses", params={"count": True, "limit": 3, "domain": "prose"}).json()
    assert page["total"] == {"value": COUNT // 2 + 3, "exact": True}
    assert len(page["items"]) == 3
    assert api.get("/v1/analyses").json().keys() == {"items", "next"}


def test_many_are_estimated(
    service: KeptService, tenants: dict[str, tuple[str, NewKey]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregates, "EXACTLY", 20)
    wanted = AnalysisFilter(labels={"half": "odd"}, external_ids=[f"call-{n}" for n in range(1, COUNT, 2)])
    with service.engine.connect() as connection:
        value, exact = count_analyses(connection, tenants["mine"][0], wanted)
        assert (value >= 21, exact) == (True, False)
        assert count_analyses(connection, tenants["mine"][0], AnalysisFilter(model="other")) == (OTHERS, True)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("domain", {"prose": 33, None: 32}),
        ("model", {"all-MiniLM-L6-v2": COUNT, "other": OTHERS}),
        ("label.half", {"odd": 33, None: 32}),
        ("label.none", {None: 65}),
        ("day", {"2026-01-01": 65}),
    ],
)
def test_analyses_are_counted_by_what_they_have_in_common(
    api: httpx.Client, by: str, expected: dict[str | None, int]
) -> None:
    found = api.get("/v1/analyses/summary", params={"by": by}).raise_for_status().json()
    assert {item["value"]: item["count"] for item in found["items"]} == expected
    assert [item["count"] for item in found["items"]] == sorted(expected.values(), reverse=True)
    assert (found["by"], found["total"], found["groups"]) == (by, COUNT + OTHERS, len(expected))


def test_counts_keep_to_the_filters(api: httpx.Client) -> None:
    asked = {"by": "model", "domain": "prose", "max_entropy": value_of("entropy", 9)}
    found = api.get("/v1/analyses/summary", params=asked).json()
    assert {item["value"]: item["count"] for item in found["items"]} == {"all-MiniLM-L6-v2": 5, "other": 3}
    assert api.get("/v1/analyses/summary", params={"domain": "nowhere"}).json()["items"] == []


@pytest.mark.parametrize("by", ["colour", "label", "label.", "domain.x", ""])
def test_an_unknown_grouping_is_refused(api: httpx.Client, by: str) -> None:
    for path in ("summary", "statistics?metric=entropy"):
        address = httpx.URL(f"/v1/analyses/{path}").copy_add_param("by", by)
        problem_of(api.get(address), 422, "invalid-request")


@pytest.mark.parametrize("layer", [None, 1])
@pytest.mark.parametrize("metric", ["entropy", "cross_turn"])
def test_statistics_are_those_of_the_values(api: httpx.Client, metric: str, layer: int | None) -> None:
    asked = {"metric": metric, "model": "all-MiniLM-L6-v2", "by": "domain"} | (
        {} if layer is None else {"layer": layer}
    )
    found = api.get("/v1/analyses/statistics", params=asked).raise_for_status().json()
    assert (found["metric"], found["layer"], found["by"]) == (metric, layer, "domain")
    of_group = {item["value"]: item for item in found["items"]}
    for domain, first in (("prose", 1), (None, 2)):
        values = [value_of(metric, number, layer) for number in range(first, COUNT + 1, 2)]
        defined = np.array([value for value in values if value is not None])
        item = of_group[domain]
        assert (item["n"], item["undefined"]) == (len(defined), len(values) - len(defined))
        if len(defined) == 0:
            assert [item[name] for name in ("mean", "deviation", "least", "greatest", "quantiles")] == [None] * 5
            continue
        assert item["mean"] == pytest.approx(defined.mean())
        assert item["deviation"] == pytest.approx(defined.std(ddof=1))
        assert (item["least"], item["greatest"]) == (defined.min(), defined.max())
        assert [*item["quantiles"].values()] == pytest.approx(np.quantile(defined, QUANTILES))


def test_without_a_grouping_all_are_one_group(api: httpx.Client) -> None:
    found = api.get("/v1/analyses/statistics", params={"metric": "distance"}).json()
    assert [(item["value"], item["n"]) for item in found["items"]] == [(None, COUNT + OTHERS)]
    problem_of(api.get("/v1/analyses/statistics"), 422, "invalid-request")
    problem_of(api.get("/v1/analyses/statistics", params={"metric": "beauty"}), 422, "invalid-request")


def test_a_document_is_filed_elsewhere_without_being_measured(
    api: httpx.Client, tenants: dict[str, tuple[str, NewKey]]
) -> None:
    [entry] = entries(api, external_id="other-1")
    path = f"/v1/analyses/{entry['id']}"
    before = api.get(path).json()
    changed = api.patch(path, json={"domain": "talk", "labels": {"team": "night"}}).raise_for_status().json()
    assert changed == before | {"domain": "talk", "labels": {"team": "night"}}
    assert api.get(path).json() == changed
    assert [found["id"] for found in entries(api, domain="talk")] == [entry["id"]]
    assert [found["id"] for found in entries(api, **{"label.team": "night"})] == [entry["id"]]
    renamed = api.patch(path, json={"external_id": "new", "domain": None, "labels": {}}).json()
    assert (renamed["external_id"], renamed["domain"], renamed["labels"]) == ("new", None, {})
    assert (
        api.patch(path, json={"external_id": "other-1", "domain": "prose", "labels": {"half": "odd"}}).json() == before
    )
    theirs = bearer(tenants["theirs"][1])
    problem_of(api.patch(path, json={"domain": "stolen"}, headers=theirs), 404, "not-found")
    assert api.get(path).json() == before


@pytest.mark.parametrize(
    "body", [{}, {"text": "new words"}, {"domain": "two\nlines"}, {"labels": {"a": 1}}, {"labels": None}]
)
def test_a_change_of_nothing_or_of_something_else_is_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    [entry] = entries(api, external_id="other-2")
    problem_of(api.patch(f"/v1/analyses/{entry['id']}", json=body), 422, "invalid-request")
    [same] = entries(api, external_id="other-2")
    assert same == entry
