"""Attack: data sets made to burst or break what reads them. Each is a client's mistake; the service stays well."""

import io
import json
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from api_service import api_process, problem_of, process_at
from kept_services import KeptService, ServicePlan
from pyarrow import parquet
from sqlalchemy import func, select

from models.tables import dataset

pytestmark = pytest.mark.xdist_group("hostile http")

PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
CSV = {"Content-Type": "text/csv"}
JSON = {"Content-Type": "application/json"}
LIMITS = {"max_body_bytes": "1000000", "max_upload_bytes": "4000000", "unpack_memory_bytes": str(1 << 28)}


SERVICE = ServicePlan(LIMITS)


@pytest.fixture(scope="module", autouse=True)
def well_and_empty_afterwards(service: KeptService) -> Iterator[None]:
    """Nothing that these tests send is a fault of the service, by its own log, or stays in its database."""
    yield
    assert service.api.get("/healthz").status_code == 200
    assert "incident" not in service.said()
    with service.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(dataset)).scalar_one() == 0


def written(columns: dict[str, Any], **how: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **how)
    return file.getvalue()


def repeated(text: str, rows: int) -> pa.DictionaryArray:
    """The same text in every row, which takes almost nothing to write down."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), [text])


def turns(number: int) -> pa.ListArray:
    """One conversation of so many turns, all the same."""
    said = pa.StructArray.from_arrays([repeated("a", number)] * 2, ["speaker", "text"])
    return pa.ListArray.from_arrays([0, number], said)


GOOD = written({"text": [f"text {number}" for number in range(2_000)]}, compression="none", use_dictionary=False)
FOOTER = struct.unpack("<I", GOOD[-8:-4])[0]


def with_rows(table: bytes, told: int, rows: int) -> bytes:
    """The same file, whose description tells of another number of rows (of as many bytes)."""

    def varint(number: int) -> bytes:
        number, out = number << 1, b""
        while number > 127:
            out, number = out + bytes([number & 127 | 128]), number >> 7
        return out + bytes([number])

    assert len(varint(told)) == len(varint(rows))
    at = len(table) - 8 - struct.unpack("<I", table[-8:-4])[0]
    return table[:at] + table[at:].replace(varint(rows), varint(told))


TABLES: dict[str, Callable[[], bytes]] = {
    "cut off": lambda: GOOD[:-100],
    "cut off and closed": lambda: GOOD[: len(GOOD) // 2] + b"PAR1",
    "without its beginning": lambda: GOOD[4:],
    "marks alone": lambda: b"PAR1PAR1PAR1",
    "a description longer than the file": lambda: GOOD[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
    "a description of nothing": lambda: GOOD[:-8] + struct.pack("<I", 0) + b"PAR1",
    "a description of zeros": lambda: GOOD[: -8 - FOOTER] + bytes(FOOTER) + GOOD[-8:],
    "pages of zeros": lambda: b"PAR1" + bytes(len(GOOD) - FOOTER - 12) + GOOD[-8 - FOOTER :],
    "pages of ones": lambda: b"PAR1" + b"\xff" * (len(GOOD) - FOOTER - 12) + GOOD[-8 - FOOTER :],
    "fewer rows than it tells of": lambda: with_rows(GOOD, 2_001, 2_000),
    "encrypted": lambda: GOOD[:-4] + b"PARE",
    "JSON": lambda: b'{"text": "a"}\n',
    "a zip": lambda: b"PK\x03\x04" + bytes(1000),
    "one text in ten million rows": lambda: written({"text": repeated("a", 10_000_000)}),
    "the same, unpacked as text": lambda: written({"text": repeated("a", 10_000_000)}, store_schema=False),
    "two megabytes in a thousand rows": lambda: written({"text": repeated("a" * 2**21, 1_000)}),
    "the same, as pages of text": lambda: written({"text": repeated("a" * 2**21, 1_000)}, store_schema=False),
    "one row of 100 megabytes": lambda: written({"text": ["a" * (100 << 20)]}, compression="zstd"),
    "a label of 100 megabytes": lambda: written({"text": ["a"], "labels.a": ["a" * (100 << 20)]}, compression="zstd"),
    "ten thousand columns": lambda: written({"text": ["a"]} | {f"column {number}": ["a"] for number in range(10_000)}),
    "three million turns": lambda: written({"turns": turns(3 * 10**6)}),
    "a number for a text": lambda: written({"text": [1.5]}),
    "texts that are not UTF-8": lambda: written({"text": pa.array([b"\xff"]).view(pa.string())}),
    "a null character": lambda: written({"text": ["a\x00b"]}),
    "a null character in a label": lambda: written({"text": ["a"], "labels.a\x00": ["b"]}),
    "JSON nested deeply": lambda: written({"turns": ["[" * 100_000]}),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_a_hostile_parquet_file_is_a_clients_mistake(api: httpx.Client, table: Callable[[], bytes]) -> None:
    problem = problem_of(api.post("/v1/datasets", content=table(), headers=PARQUET), 422, "bad-dataset")
    assert 1 <= len(problem["errors"]) <= 20
    assert all(error["message"] for error in problem["errors"])
    assert len(json.dumps(problem)) < 20_000


@pytest.mark.slow
def test_a_flipped_bit_anywhere_breaks_nothing_but_the_file(api: httpx.Client) -> None:
    generator = np.random.default_rng(7)
    for place in [*generator.integers(4, len(GOOD), 12), *generator.integers(len(GOOD) - 8 - FOOTER, len(GOOD), 12)]:
        flipped = bytearray(GOOD)
        flipped[place] ^= 1 << int(generator.integers(8))
        answer = api.post("/v1/datasets", content=bytes(flipped), headers=PARQUET)
        if answer.status_code == 201:  # a letter of a text is another letter now
            assert answer.json()["documents"] == 2_000
            assert api.delete(answer.headers["location"]).status_code == 204
        else:
            problem_of(answer, 422, "bad-dataset")


def test_the_service_stays_small_and_answers_while_bombs_are_unpacked(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    bomb = written({"text": repeated("a" * 2**21, 1_000)}, store_schema=False, compression="zstd")
    assert len(bomb) < 2_000
    with api_process(database_url, broker_url, tmp_path / "api.log") as api, ThreadPoolExecutor(6) as pool:
        service = process_at(api)
        before = service.memory_info().rss
        sent = [
            pool.submit(httpx.post, f"{api.base_url}/v1/datasets", content=bomb, headers=PARQUET, timeout=90)
            for _ in range(6)
        ]
        peak, unpacking = before, 0
        while not all(answer.done() for answer in sent):
            assert api.get("/healthz").status_code == 200
            peak = max(peak, service.memory_info().rss)
            unpacking = max(unpacking, len(service.children()))
        for answer in sent:
            problem_of(answer.result(), 422, "bad-dataset")
        assert peak - before < 60 * 2**20
        assert unpacking <= 2
        assert service.children() == []


ROWS = {
    "a cell that never ends": b'text\n"' + b"a\n" * 1_000_000,
    "a row of half a million cells": b"text\n" + b"a," * 450_000,
    "four hundred thousand columns": b"text" + b",a" * 400_000 + b"\n",
    "quotation marks alone": b"text\n" + b'"' * 900_001,
    "a null character": b"text\na\x00b\n",
    "UTF-16 that breaks off": "text\na\n".encode("utf-16") + b"a",
    "a carriage return in a cell": b"text,id\na\rb,c\n",
    "a letter for a delimiter": b"sep=a\nida;text\n",
    "quotation marks that open and close": b"text\n" + b'"a"b,' * 190_000,
    "JSON nested deeply": b"turns\n" + b"[" * 900_000 + b"\n",
    "JSON that breaks off": b'turns\n"[{""speaker"": ""A"", "\n',
    "not a number": b"turns\nNaN\n",
    "half a surrogate pair": b'turns\n"[{""speaker"": ""A"", ""text"": ""\\ud800""}]"\n',
    "a label without a name": b'text,labels\na,"{"""": ""a""}"\n',
    "more cells than columns": b"text\na,b\n",
    "a Parquet file": GOOD,
}


@pytest.mark.parametrize("body", ROWS.values(), ids=ROWS.keys())
def test_a_hostile_csv_file_is_a_clients_mistake(api: httpx.Client, body: bytes) -> None:
    problem = problem_of(api.post("/v1/datasets", content=body, headers=CSV), 422, "bad-dataset")
    assert 1 <= len(problem["errors"]) <= 20
    assert any(f"line {number}" in problem["errors"][0]["message"] for number in (1, 2, 3))
    assert len(json.dumps(problem)) < 20_000


MEGABYTE = 10**6
JSON_BODIES = {
    "an array that never ends": b"[" * MEGABYTE,
    "objects inside objects": b'{"a":' * (MEGABYTE // 5),
    "objects inside objects inside an array": b"[" + b'{"a":' * (MEGABYTE // 5) + b"1" + b"}" * (MEGABYTE // 5) + b"]",
    "quotation marks alone": b"[" + b'"' * MEGABYTE,
    "escapes without an end": b'[{"text": "' + b"\\" * MEGABYTE,
    "flat objects and nothing else": b"[" + b"{}" * (MEGABYTE // 2),
    "commas alone": b"[" + b"," * MEGABYTE,
    "white space that never ends": b"{" + b" " * MEGABYTE,
    "a name that never ends": b'{"' + b"a" * MEGABYTE,
    "brackets of another kind": b'[{"text": ]}, {"text": "a"}]',
    "a member of a million items that are none": b'{"data": [{"text": "a"}, ' + b"1," * (MEGABYTE // 2),
    "numbers without an end": b"[" + b"1" * MEGABYTE,
    "half of a surrogate pair as a name": b'{"\\ud800": {"text": "a"}, "b": {"text": "a"}}',
    "a null character as a name": b'{"a\\u0000": {"text": "a"}, "b": {"text": "a"}}',
    "nothing but a word": b"[nothing]",
}


@pytest.mark.parametrize("body", JSON_BODIES.values(), ids=JSON_BODIES.keys())
def test_hostile_json_is_a_clients_mistake(api: httpx.Client, body: bytes) -> None:
    problem = problem_of(api.post("/v1/datasets", content=body, headers=JSON), 422, "bad-dataset")
    assert 1 <= len(problem["errors"]) <= 20
    assert len(json.dumps(problem)) < 20_000
