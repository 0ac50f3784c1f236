"""A data set may be sent as JSON, CSV, Parquet, a zip or a form with one of these; the answer says what was read."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from api_service import json_lines, problem_of
from kept_services import ServicePlan
from pyarrow import parquet
from sqlalchemy import Engine, func, select

from hearken.client import Client
from models.tables import dataset, document

pytestmark = pytest.mark.xdist_group("api uploads")
SERVICE = ServicePlan({"max_body_bytes": "20000", "max_upload_bytes": "60000"})

CSV = {"Content-Type": "text/csv"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
LINES: list[dict[str, Any]] = [
    {"id": "a", "domain": "prose", "text": 'tab\t, "quote"\r\nback\\slash', "labels": {"part": "first"}, "note": "x"},
    {"id": "b", "turns": [{"speaker": "Ana", "text": "hé 👋"}], "cluster": "c", "note": "y"},
    {"id": "c", "messages": [{"role": "user", "content": "x"}], "note": "z"},
]
COLUMNS = ("id", "domain", "text", "turns", "messages", "labels", "cluster", "note")


def as_csv(lines: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in lines:
        cells = [line.get(name, "") for name in COLUMNS]
        writer.writerow(cell if isinstance(cell, str) else json.dumps(cell) for cell in cells)
    return text.getvalue().encode()


def as_parquet(lines: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([{name: line.get(name) for name in COLUMNS} for line in lines]), file)
    return file.getvalue()


BODIES = {
    "application/x-ndjson": json_lines(*LINES),
    "application/json": json.dumps(LINES, indent=1).encode(),
    "text/csv; charset=utf-8": as_csv(LINES),
    "application/vnd.apache.parquet": as_parquet(LINES),
}
CONTAINERS = dict(zip(BODIES, ("jsonl", "json", "csv", "parquet"), strict=True))
UTTERANCES = b"conversation_id,speaker,text\nc1,Mira,Which boat leaks?\nc1,Tomas,The blue one.\nc2,Ify,Late?\n"


def stored(engine: Engine, dataset_id: str) -> list[tuple[Any, ...]]:
    columns = [getattr(document.c, name) for name in ("external_id", "domain", "labels", "cluster", "content")]
    with engine.connect() as connection:
        found = select(*columns).where(document.c.dataset_id == dataset_id).order_by(document.c.position)
        return [tuple(row) for row in connection.execute(found)]


def count(engine: Engine) -> tuple[int, int]:
    """How many data sets and documents there are."""
    with engine.connect() as connection:
        numbers = [
            connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (dataset, document)
        ]
        return numbers[0], numbers[1]


@pytest.mark.parametrize("kind", BODIES)
def test_each_format_stores_the_same_documents(api: httpx.Client, engine: Engine, kind: str) -> None:
    body = BODIES[kind]
    answer = api.post("/v1/datasets?name=mine&domain=talk", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["sha256"] == hashlib.sha256(body).hexdigest()
    assert (found["name"], found["documents"], found["bytes"]) == ("mine", 3, len(body))
    assert (found["domains"], found["passed_over"]) == ({"prose": 1, "talk": 2}, {"note": 3})
    assert found["layout"] == "documents"
    assert found["reading"] == {
        "container": CONTAINERS[kind], "layout": "documents", "encoding": "utf-8", "documents": 3, "turns": 2,
        "passed_over": {"note": 3}, "notes": [],
    }  # fmt: skip
    assert api.get(answer.headers["location"]).json() == found
    assert stored(engine, found["id"]) == [
        ("a", "prose", {"part": "first"}, None, {"text": LINES[0]["text"]}),
        ("b", "talk", {}, "c", {"turns": LINES[1]["turns"]}),
        ("c", "talk", {}, None, {"messages": LINES[2]["messages"]}),
    ]


@pytest.mark.parametrize(("kind", "ending"), list(zip(BODIES, ("jsonl", "json", "csv", "parquet"), strict=True)))
def test_a_form_with_a_file_stores_the_same_as_the_file_alone(
    api: httpx.Client, engine: Engine, kind: str, ending: str
) -> None:
    body = BODIES[kind]
    file = {"file": (f"talks.{ending}", body, "application/octet-stream")}
    answer = api.post("/v1/datasets", data={"name": "mine", "domain": "tab\\t \\N"}, files=file)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["name"], found["sha256"], found["bytes"]) == ("mine", hashlib.sha256(body).hexdigest(), len(body))
    assert found["domains"] == {"prose": 1, "tab\\t \\N": 2}
    assert [row[0] for row in stored(engine, found["id"])] == ["a", "b", "c"]
    by_type = {"anything": ("talks", body, kind.partition(";")[0])}
    again = api.post("/v1/datasets?domain=talk", files=by_type).json()
    assert (again["name"], again["domains"]) == ("talk", {"prose": 1, "talk": 2})
    assert again["sha256"] == found["sha256"]


def test_a_field_of_the_form_may_follow_the_file_but_not_repeat_the_address(api: httpx.Client) -> None:
    parts: Any = [("file", ("a.jsonl", b'{"text": "a"}')), ("domain", (None, b"talk"))]
    assert api.post("/v1/datasets", files=parts).json()["domains"] == {"talk": 1}
    twice = problem_of(api.post("/v1/datasets?domain=talk", files=parts), 422, "invalid-request")
    assert twice["errors"][0]["pointer"] == "form:domain"


def test_an_idempotency_key_holds_for_every_format(api: httpx.Client, engine: Engine) -> None:
    datasets, documents = count(engine)
    for number, (kind, body) in enumerate(BODIES.items(), start=1):
        headers = {"Content-Type": kind, "Idempotency-Key": f"key-{number}"}
        first, again = (api.post("/v1/datasets", content=body, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        other = api.post(
            "/v1/datasets", content=BODIES["application/x-ndjson"] + b"\n", headers=headers | {"Content-Type": ""}
        )
        problem_of(other, 422, "idempotency-key-reused")
        assert count(engine) == (datasets + number, documents + number * 3)


def test_a_form_under_a_key_is_known_again_by_its_file_and_fields_whatever_its_boundary(
    api: httpx.Client, engine: Engine
) -> None:
    datasets, documents = count(engine)
    file = {"file": ("a.jsonl", b'{"text": "a"}')}
    key = {"Idempotency-Key": "one"}
    first = api.post("/v1/datasets", data={"domain": "talk"}, files=file, headers=key)
    again = api.post("/v1/datasets", data={"domain": "talk"}, files=file, headers=key)
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert first.json() == again.json()
    other = api.post("/v1/datasets", data={"domain": "prose"}, files=file, headers=key)
    problem_of(other, 422, "idempotency-key-reused")
    assert count(engine) == (datasets + 1, documents + 1)


def test_one_bad_row_stores_nothing_in_any_format(api: httpx.Client, engine: Engine) -> None:
    before = count(engine)
    bad = [*LINES, {"id": "d"}, *LINES, {"id": "e", "text": " "}]
    in_csv = problem_of(api.post("/v1/datasets", content=as_csv(bad), headers=CSV), 422, "bad-dataset")["errors"]
    assert [(error["line"], error["pointer"]) for error in in_csv] == [(6, ""), (11, "/text")]  # a text has two lines
    sent = api.post("/v1/datasets", content=as_parquet(bad), headers=PARQUET)
    assert [(error["line"], error["pointer"]) for error in problem_of(sent, 422, "bad-dataset")["errors"]] == [
        (4, ""),
        (8, "/text"),
    ]
    form = api.post("/v1/datasets", files={"file": ("a.csv", as_csv(bad))})
    assert problem_of(form, 422, "bad-dataset")["errors"] == in_csv
    many = as_parquet([{"text": " "}] * 100)
    errors = problem_of(api.post("/v1/datasets", content=many, headers=PARQUET), 422, "bad-dataset")["errors"]
    assert [error["line"] for error in errors] == list(range(1, 21))
    assert count(engine) == before


def test_the_limit_of_an_upload_is_one_for_every_format(api: httpx.Client) -> None:
    def unannounced() -> Iterator[bytes]:
        yield b"text\n"
        for _ in range(70):
            yield b"a" * 999 + b"\n"

    for kind in BODIES:
        large = api.post("/v1/datasets", content=b"x" * 60_001, headers={"Content-Type": kind})
        assert problem_of(large, 413, "body-too-large")["limit"] == 60_000
    streamed = api.post("/v1/datasets", content=unannounced(), headers=CSV)
    assert problem_of(streamed, 413, "body-too-large")["actual"] > 60_000
    form = api.post("/v1/datasets", files={"file": ("a.csv", b"text\n" + b"a\n" * 40_000)})
    problem_of(form, 413, "body-too-large")
    rows = as_parquet([{"text": f"{number} " + "a" * 5_000} for number in range(30)])
    assert len(rows) < 60_000
    unpacked = problem_of(api.post("/v1/datasets", content=rows, headers=PARQUET), 422, "bad-dataset")
    assert "unpacks to more than 60000 bytes of documents" in unpacked["detail"]


@pytest.mark.parametrize("way", ["the address", "a form"])
def test_a_table_of_utterances_is_stored_as_conversations_with_the_names_that_were_asked_for(
    api: httpx.Client, engine: Engine, way: str
) -> None:
    asked = {"layout": "utterances", "names": "pseudonyms"}
    if way == "a form":
        answer = api.post("/v1/datasets", data=asked, files={"file": ("talk.csv", UTTERANCES)})
    else:
        answer = api.post("/v1/datasets", params=asked, content=UTTERANCES, headers=CSV)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["layout"], found["documents"], found["reading"]["turns"]) == ("utterances", 2, 3)
    assert [(row[0], [turn["speaker"] for turn in row[4]["turns"]]) for row in stored(engine, found["id"])] == [
        ("c1", ["P1", "P2"]),
        ("c2", ["P1"]),
    ]
    assert "Mira" not in json.dumps(found)


def test_a_table_of_utterances_is_never_stored_as_single_texts(api: httpx.Client, engine: Engine) -> None:
    before = count(engine)
    refused = api.post("/v1/datasets?layout=documents", content=UTTERANCES, headers=CSV)
    assert "layout=utterances" in problem_of(refused, 422, "bad-dataset")["detail"]
    assert count(engine) == before
    assert api.post("/v1/datasets", content=UTTERANCES, headers=CSV).json()["layout"] == "utterances"


def test_a_zip_of_transcripts_is_stored_with_what_each_was_read_as(api: httpx.Client, engine: Engine) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("monday.txt", "Mira: Shall we begin?\nBo: Yes.\n")
        archive.writestr("tuesday.vtt", "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Ify>Late again?\n")
    answer = api.post("/v1/datasets", content=packed.getvalue(), headers={"Content-Type": "application/zip"})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["layout"], found["reading"]["container"], found["documents"]) == ("transcripts", "zip", 2)
    with engine.connect() as connection:
        query = select(document.c.content, document.c.reading).where(document.c.dataset_id == found["id"])
        rows = connection.execute(query.order_by(document.c.position)).all()
    assert [reading["format"] for _, reading in rows] == ["lines", "webvtt"]
    assert rows[0].reading["speakers"] == {"Mira": 1, "Bo": 1}
    assert rows[1].content == {"turns": [{"speaker": "Ify", "text": "Late again?", "start": 1.0, "end": 2.5}]}


def test_content_decides_what_an_unspecific_type_does_not_say(api: httpx.Client) -> None:
    unspecific = {"Content-Type": "application/octet-stream"}
    for body, container in ((BODIES["text/csv; charset=utf-8"], "csv"), (BODIES["application/json"], "json")):
        found = api.post("/v1/datasets", content=body, headers=unspecific).json()
        assert (found["reading"]["container"], found["documents"]) == (container, 3)
    refused = api.post("/v1/datasets", content=b"It was late, and cold.\n", headers=unspecific)
    assert "JSON Lines" in problem_of(refused, 422, "bad-dataset")["detail"]


def test_what_a_file_is_to_be_read_as_is_one_of_those_that_there_are(api: httpx.Client) -> None:
    for name in ("layout", "branches", "names"):
        refused = api.post(f"/v1/datasets?{name}=tree", content=b'{"text": "a"}')
        assert problem_of(refused, 422, "invalid-request")["errors"][0]["pointer"] == f"query:{name}"


def test_an_idempotency_key_holds_for_one_way_of_reading(api: httpx.Client) -> None:
    headers = CSV | {"Idempotency-Key": "read-one-way"}
    first = api.post("/v1/datasets", content=UTTERANCES, headers=headers)
    assert first.status_code == 201, first.text
    assert api.post("/v1/datasets", content=UTTERANCES, headers=headers).json() == first.json()
    other = api.post("/v1/datasets?names=pseudonyms", content=UTTERANCES, headers=headers)
    problem_of(other, 422, "idempotency-key-reused")


def test_what_is_sent_in_no_known_format_is_told_which_there_are(api: httpx.Client) -> None:
    for sent in (
        api.post("/v1/datasets", content=b"a", headers={"Content-Type": "application/vnd.ms-excel"}),
        api.post("/v1/datasets", files={"file": ("a.xlsx", b"a", "application/vnd.ms-excel")}),
    ):
        detail = problem_of(sent, 415, "unsupported-media-type")["detail"]
        for known in ("application/x-ndjson", "text/csv", "application/vnd.apache.parquet"):
            assert known in detail
    squeezed = api.post("/v1/datasets", content=b"a", headers={**CSV, "Content-Encoding": "gzip"})
    problem_of(squeezed, 415, "unsupported-media-type")


def test_the_client_sends_a_file_as_what_its_ending_says(api: httpx.Client, tmp_path: Path) -> None:
    with Client(str(api.base_url)) as client:
        for ending, body in zip(("jsonl", "json", "csv", "parquet"), BODIES.values(), strict=True):
            path = tmp_path / f"talks.{ending}"
            path.write_bytes(body)
            found = client.upload_dataset(path, domain="talk")
            assert (found.name, found.documents, found.domains) == ("talks", 3, {"prose": 1, "talk": 2})
            assert found.sha256 == hashlib.sha256(body).hexdigest()
        given = client.upload_dataset(BODIES["text/csv; charset=utf-8"], media_type="text/csv", name="bytes")
        assert given.documents == 3
