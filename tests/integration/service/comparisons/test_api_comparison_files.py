"""The files of a comparison: made by a worker when they are first asked for, and the same ever after."""

import csv
import io
from typing import Any

import httpx
import pytest
from api_service import job_at, json_lines, problem_of
from kept_services import ServicePlan
from pyarrow import parquet
from seeded_work import words
from sqlalchemy import func, select
from worker_fleet import Fleet

from models.tables import comparison_file, inquiry

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)


@pytest.fixture(scope="module")
def found(api: httpx.Client) -> Any:
    """A finished comparison of two domains."""
    lines = [
        {"id": f"{domain}-{number}", "domain": domain, "text": f"{domain} {words(40, number + shift)}"}
        for shift, domain in enumerate(("prose", "talk"))
        for number in range(9)
    ]
    dataset = api.post("/v1/datasets?name=two", content=json_lines(*lines)).json()["id"]
    groups = [{"name": domain, "dataset_id": dataset, "domain": domain} for domain in ("prose", "talk")]
    sent = {"groups": groups, "window_tokens": 24, "windows": 1, "metrics": ["distance", "entropy"]}
    job = job_at(api, api.post("/v1/comparisons", json=sent))
    assert job["state"] == "succeeded", job
    return api.get(job["result"]).json()


def kept(workers: Fleet) -> list[str]:
    with workers.engine.connect() as connection:
        return list(connection.execute(select(comparison_file.c.name).order_by(comparison_file.c.name)).scalars())


def test_only_the_page_is_made_beforehand_and_every_figure_has_an_address(
    api: httpx.Client, workers: Fleet, found: Any
) -> None:
    here = f"/v1/comparisons/{found['id']}"
    assert kept(workers)[:1] == ["report.html"]
    figures = api.get(f"{here}/figures").json()["items"]
    assert {"curve-distance", "heat-entropy", "forest-distance", "heads-entropy", "map-embedding", "map-profile"} <= {
        figure["name"] for figure in figures
    }
    assert [figure["svg"] for figure in figures] == found["figures"]
    assert figures[0]["pdf"] == f"{here}/figures/{figures[0]['name']}.pdf"


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [("svg", "image/svg+xml", b"<?xml"), ("png", "image/png", b"\x89PNG"), ("pdf", "application/pdf", b"%PDF-")],
)
def test_a_figure_is_drawn_once_and_the_same_after(
    api: httpx.Client, workers: Fleet, found: Any, form: str, kind: str, begins: bytes
) -> None:
    address = f"/v1/comparisons/{found['id']}/figures/curve-distance.{form}"
    first = api.get(address)
    assert first.status_code == 200, first.text
    assert first.headers["content-type"] == kind
    assert first.headers["content-security-policy"].startswith("sandbox")
    assert first.content.startswith(begins)
    assert f"curve-distance.{form}" in kept(workers)
    assert api.get(address).content == first.content


def test_markdown_names_the_groups(api: httpx.Client, found: Any) -> None:
    answer = api.get(f"/v1/comparisons/{found['id']}/report.md")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# prose, talk")


def test_csv_and_parquet_hold_the_same_numbers_as_the_result(api: httpx.Client, found: Any) -> None:
    here = f"/v1/comparisons/{found['id']}"
    answer = api.get(f"{here}/numbers.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    table = parquet.read_table(io.BytesIO(api.get(f"{here}/numbers.parquet").content)).to_pylist()
    assert len(rows) == len(table)
    for row, other in zip(rows, table, strict=True):
        assert row["quantity"] == other["quantity"]
        assert (float(row["value"]) if row["value"] else None) == other["value"]
    wanted = ("means", "overall", "distance", "talk", "mean")
    (mean,) = (
        row["value"]
        for row in table
        if (row["table"], row["level"], row["metric"], row["group"], row["quantity"]) == wanted
    )
    assert mean == found["overall"]["distance"]["talk"]["mean"]


def test_what_a_comparison_does_not_have_is_not_found_and_asks_no_worker(
    api: httpx.Client, workers: Fleet, found: Any
) -> None:
    here = f"/v1/comparisons/{found['id']}"
    problem_of(api.get(f"{here}/figures/curve-nothing.svg"), 404, "not-found")
    problem_of(api.get(f"{here}/figures/curve-distance.gif"), 422, "invalid-request")
    for name in ("report", "report.md", "numbers.csv", "figures", "figures/curve-distance.svg"):
        problem_of(api.get(f"/v1/comparisons/cmp_none/{name}"), 404, "not-found")
    with workers.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(inquiry)).scalar_one() == 0
