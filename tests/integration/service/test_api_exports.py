"""Exports hold every analysis that matches, the same numbers in each form, and nothing of anybody else."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from api_service import api_process, bearer, problem_of, process_at
from kept_services import WITH_KEYS
from pyarrow import parquet
from seeded_analyses import LAYERS, add_analyses, value_of
from sqlalchemy import Engine, create_engine

from attention.definitions import METRIC_NAMES, METRICS
from models.queries.access.keys import NewKey, create_key

pytestmark = pytest.mark.xdist_group("api with keys")
SERVICE = WITH_KEYS

COUNT = 450
"""More than two pages of rows."""
ABOUT = [
    "id", "job_id", "created_at", "model", "revision", "definitions", "domain", "external_id", "dataset_id", "labels",
    "tokens", "turns", "speakers", "windows", "truncated", "cached", "left_out_rows",
]  # fmt: skip
EXPORT = "/v1/exports/analyses"
FORMULA = '=HYPERLINK("http://a","b"),\r\n+1'


@pytest.fixture(scope="module")
def keys(engine: Engine) -> dict[str, NewKey]:
    with engine.begin() as connection:
        made = {name: create_key(connection, name) for name in ("north", "south", "west")}
        tenants = dict(connection.exec_driver_sql("SELECT name, id FROM tenant").all())
        add_analyses(connection, COUNT, tenant_id=tenants["north"])
        add_analyses(connection, 7, tenant_id=tenants["north"], listed=False)
        add_analyses(connection, 3, tenant_id=tenants["south"], external_id=FORMULA)
    return made


@pytest.fixture(scope="module", autouse=True)
def asked_by_north(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    """Who asks without saying who it is, is north."""
    api.headers.update(bearer(keys["north"]))


def listed(api: httpx.Client, **filters: Any) -> list[dict[str, Any]]:
    """Every entry of the list, oldest first."""
    entries: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = api.get("/v1/analyses", params=filters | {"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
        entries += page["items"]
        cursor = page["next"]
        if cursor is None:
            return entries[::-1]


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def table_of(answer: httpx.Response) -> pa.Table:
    assert answer.status_code == 200, answer.text
    return parquet.read_table(io.BytesIO(answer.content))


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def test_json_lines_are_the_entries_of_the_list_oldest_first(api: httpx.Client) -> None:
    answer = api.get(f"{EXPORT}.jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="analyses.jsonl"'
    found = lines_of(answer)
    assert len(found) == COUNT
    assert found == listed(api)
    assert [entry["external_id"] for entry in found] == [f"call-{number}" for number in range(1, COUNT + 1)]


def test_parquet_has_typed_columns_and_the_same_numbers(api: httpx.Client) -> None:
    answer = api.get(f"{EXPORT}.parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == 'attachment; filename="analyses.parquet"'
    table = table_of(answer)
    assert table.column_names == [*ABOUT, *METRIC_NAMES]
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["created_at"] == "timestamp[us, tz=UTC]"
    assert kinds["labels"].startswith("map<string, string")
    assert kinds["speakers"].startswith("list<")
    assert {kinds[name] for name in ("tokens", "turns", "windows", "left_out_rows")} == {"int64"}
    assert {kinds[name] for name in METRIC_NAMES} == {"double"}
    units = {metric.name: table.schema.field(metric.name).metadata[b"unit"].decode() for metric in METRICS}
    assert units == {metric.name: metric.unit for metric in METRICS}
    for row, entry in zip(table.to_pylist(), listed(api), strict=True):
        assert {name: row[name] for name in METRIC_NAMES} == entry["metrics"]
        assert (row["model"], row["revision"]) == (entry["model"]["id"], entry["model"]["revision"])
        assert row["created_at"].isoformat().replace("+00:00", "Z") == entry["created_at"]
        assert dict(row["labels"]) == entry["labels"]
        for name in set(ABOUT) - {"model", "revision", "created_at", "labels"}:
            assert row[name] == entry[name], name


def test_csv_has_every_digit_and_empty_cells_for_null(api: httpx.Client) -> None:
    answer = api.get(f"{EXPORT}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="analyses.csv"'
    assert answer.text.splitlines()[0] == ",".join([*ABOUT, *METRIC_NAMES])
    rows = rows_of(answer)
    for number, (row, entry) in enumerate(zip(rows, listed(api), strict=True), start=1):
        assert {name: float(row[name]) if row[name] else None for name in METRIC_NAMES} == entry["metrics"]
        assert row["entropy"] == repr(value_of("entropy", number))
        assert json.loads(row["labels"]) == entry["labels"]
        assert json.loads(row["speakers"]) == entry["speakers"]
        assert row["created_at"] == entry["created_at"]
        assert (row["turns"], row["domain"]) == (("", "prose") if number % 2 else ("4", ""))
        assert (row["truncated"], row["cached"]) == (str(number % 5 == 0).lower(), str(number % 7 == 0).lower())


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"domain": "prose"}, 225),
        ({"label.half": "odd"}, 225),
        ({"label.half": "even"}, 0),
        ({"model": "other"}, 0),
        ({"min_entropy": value_of("entropy", 401)}, 50),
        ({"max_entropy": value_of("entropy", 10), "domain": "prose"}, 5),
        ({"min_cross_turn": 0}, 225),
        ({"created_after": "2026-01-01T00:00:00.300Z"}, 150),
        ({"created_before": "2026-01-01T00:00:00.003"}, 2),
        ({"dataset_id": "ds_none"}, 0),
    ],
)
def test_the_filters_are_those_of_the_list(api: httpx.Client, filters: dict[str, Any], count: int) -> None:
    found = lines_of(api.get(f"{EXPORT}.jsonl", params=filters))
    assert len(found) == count
    assert found == listed(api, **filters)
    assert table_of(api.get(f"{EXPORT}.parquet", params=filters)).num_rows == count
    assert len(rows_of(api.get(f"{EXPORT}.csv", params=filters))) == count


def test_with_layers_each_row_is_one_layer_in_every_form(api: httpx.Client) -> None:
    asked = {"include": "layers", "created_before": "2026-01-01T00:00:00.012"}
    answers = {form: api.get(f"{EXPORT}.{form}", params=asked) for form in ("parquet", "csv", "jsonl")}
    assert answers["csv"].headers["content-disposition"] == 'attachment; filename="analyses-layers.csv"'
    table = table_of(answers["parquet"])
    assert table.column_names == [*ABOUT, "layer", *METRIC_NAMES]
    expected = [(number, layer) for number in range(1, 12) for layer in range(LAYERS)]
    rows, lines = rows_of(answers["csv"]), lines_of(answers["jsonl"])
    assert table.num_rows == len(rows) == len(lines) == len(expected)
    for (number, layer), row, cells, line in zip(expected, table.to_pylist(), rows, lines, strict=True):
        assert row["external_id"] == cells["external_id"] == line["external_id"] == f"call-{number}"
        assert row["layer"] == int(cells["layer"]) == line["layer"] == layer
        values = {name: value_of(name, number, layer) for name in METRIC_NAMES}
        assert {name: row[name] for name in METRIC_NAMES} == line["metrics"] == values
        assert {name: float(cells[name]) if cells[name] else None for name in METRIC_NAMES} == values


def test_layers_add_up_over_many_pages(api: httpx.Client) -> None:
    table = table_of(api.get(f"{EXPORT}.parquet?include=layers"))
    assert table.num_rows == COUNT * LAYERS
    assert len(set(zip(table["id"].to_pylist(), table["layer"].to_pylist(), strict=True))) == COUNT * LAYERS


def test_text_that_a_spreadsheet_would_run_stays_as_it_is(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    answer = api.get(f"{EXPORT}.csv", headers=bearer(keys["south"]))
    assert [row["external_id"] for row in rows_of(answer)] == [f"{FORMULA}-{number}" for number in (1, 2, 3)]
    table = table_of(api.get(f"{EXPORT}.parquet", headers=bearer(keys["south"])))
    assert table["external_id"].to_pylist() == [f"{FORMULA}-{number}" for number in (1, 2, 3)]


def test_another_tenants_analyses_are_in_no_file(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    mine = {entry["id"] for entry in listed(api)}
    job = lines_of(api.get(f"{EXPORT}.jsonl"))[0]["job_id"]
    for name, count in (("south", 3), ("west", 0)):
        theirs = lines_of(api.get(f"{EXPORT}.jsonl", headers=bearer(keys[name])))
        assert len(theirs) == count
        assert mine.isdisjoint(entry["id"] for entry in theirs)
        assert lines_of(api.get(f"{EXPORT}.jsonl", params={"job_id": job}, headers=bearer(keys[name]))) == []
    for form in ("parquet", "csv", "jsonl"):
        problem_of(api.get(f"{EXPORT}.{form}", headers={"Authorization": ""}), 401, "unauthenticated")


def test_a_file_without_rows_still_has_its_columns(api: httpx.Client, keys: dict[str, NewKey]) -> None:
    west = bearer(keys["west"])
    empty = table_of(api.get(f"{EXPORT}.parquet", headers=west))
    assert (empty.num_rows, empty.column_names) == (0, [*ABOUT, *METRIC_NAMES])
    header = ",".join([*ABOUT, "layer", *METRIC_NAMES])
    assert api.get(f"{EXPORT}.csv?include=layers", headers=west).text == header + "\r\n"
    assert api.get(f"{EXPORT}.jsonl", headers=west).text == ""


@pytest.mark.parametrize(
    "asked", [".xlsx", ".csv?include=heads", ".csv?sort=entropy", ".csv?min_beauty=1", ".csv?limit=1"]
)
def test_what_an_export_does_not_know_is_refused(api: httpx.Client, asked: str) -> None:
    problem_of(api.get(f"{EXPORT}{asked}"), 422, "invalid-request")


def test_a_database_that_is_away_is_a_problem_and_no_empty_file(redis_server: Any, tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://hearken@/hearken?host=/tmp/no-such-folder-of-hearken"
    with api_process(nowhere, redis_server.url, tmp_path / "api.log") as api:
        problem_of(api.get(f"{EXPORT}.csv"), 503, "database-unavailable")


def test_memory_does_not_grow_with_the_number_of_rows(database_url: str, redis_server: Any, tmp_path: Path) -> None:
    many = 20_000
    engine = create_engine(database_url)
    with engine.begin() as connection:
        add_analyses(connection, many)
    engine.dispose()
    with api_process(database_url, redis_server.url, tmp_path / "api.log") as api:
        service = process_at(api)
        for form in ("parquet", "csv", "jsonl"):
            api.get(f"{EXPORT}.{form}", params={"created_before": "2026-01-01T00:00:01Z"})  # what loads once is loaded
            before = peak = service.memory_info().rss
            length = 0
            with api.stream("GET", f"{EXPORT}.{form}") as answer:
                for number, block in enumerate(answer.iter_bytes()):
                    length += len(block)
                    if number % 20 == 0:
                        peak = max(peak, service.memory_info().rss)
            assert length > many * 20
            assert max(peak, service.memory_info().rss) - before < 32 * 2**20, form


def test_the_command_writes_the_file_that_its_ending_says(
    api: httpx.Client, keys: dict[str, NewKey], tmp_path: Path
) -> None:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        connection = ["--server", str(api.base_url), "--key", keys["north"].secret]
        command = [sys.executable, "-P", "-m", "hearken", "export", *map(str, arguments), *connection]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    filters = ["--domain", "prose", "--label", "half=odd", "--min", f"entropy={value_of('entropy', 401)}"]
    done = run(tmp_path / "found.parquet", *filters)
    assert done.returncode == 0, done.stderr
    assert parquet.read_table(tmp_path / "found.parquet")["external_id"].to_pylist() == [
        f"call-{number}" for number in range(401, 450, 2)
    ]
    done = run(tmp_path / "layers.csv", "--layers", "--created-before", "2026-01-01T00:00:00.003Z")
    assert len((tmp_path / "layers.csv").read_text().splitlines()) == 1 + 2 * LAYERS, done.stderr
    for refused, status, says in (
        (run(tmp_path / "a.xlsx"), 2, "does not end in .parquet, .csv, .jsonl"),
        (run(tmp_path / "none" / "a.csv"), 2, "there is no folder"),
        (run(tmp_path / "a.csv", "--label", "team"), 2, "'team' is no filter; write NAME=VALUE"),
        (run(tmp_path / "a.csv", "--min", "beauty=1"), 1, "There is no such metric"),
    ):
        assert (refused.returncode, says in refused.stderr) == (status, True), refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.parquet", "layers.csv"]
