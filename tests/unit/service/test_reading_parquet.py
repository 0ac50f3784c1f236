"""Parquet is read row by row in whatever way it was written; what cannot be read is named."""

import io
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from upload_reading import PARQUET, Read

from models.settings import Settings
from service.uploads.readers.parquet import ParquetRows
from service.uploads.upload import Upload

TALK = [{"speaker": "Ana", "text": "Are you coming?"}, {"speaker": "Bo", "text": "Yes,\nat six."}]


def written(columns: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **how)
    return file.getvalue()


def test_columns_of_text_are_the_fields_of_a_line() -> None:
    read = Read(
        written(
            {
                "id": ["a", None, ""],
                "text": ["It was late.\t\\N", "hé 👋", 'a "b"\n'],
                "domain": pa.array(["prose", None, "prose"]).dictionary_encode(),
                "cluster": pa.array(["c", None, None], pa.large_string()),
                "labels.part": ["first", "", None],
                "turns": pa.nulls(3),
                "vector": [[0.5], [1.0], None],
            }
        ),
        PARQUET,
    )
    assert [document["content"]["text"] for document in read.documents] == ["It was late.\t\\N", "hé 👋", 'a "b"\n']
    assert [document["external_id"] for document in read.documents] == ["a", None, None]
    assert [document["domain"] for document in read.documents] == ["prose", None, "prose"]
    assert [document["labels"] for document in read.documents] == [{"part": "first"}, {}, {}]
    assert read.documents[0]["cluster"] == "c"
    assert read.passed_over == {"vector": 3}


@pytest.mark.parametrize("of", [pa.list_, pa.large_list])
def test_turns_may_be_lists_of_structs_and_what_else_they_carry_is_counted(of: Any) -> None:
    kind = of(pa.struct([("time", pa.float64()), ("speaker", pa.string()), ("text", pa.string())]))
    turns = pa.array([[turn | {"time": 3.5} for turn in TALK]] * 2, kind)
    read = Read(written({"turns": turns}), PARQUET)
    assert [document["content"] for document in read.documents] == [{"turns": TALK}] * 2
    assert read.passed_over == {"turns.time": 2}


def test_nested_fields_may_be_json_maps_or_structs() -> None:
    messages = [{"role": "user", "content": "hi"}]
    for labels in (
        pa.array([[("team", "x")], None], pa.map_(pa.string(), pa.string())),
        pa.array([{"team": "x", "half": None}, None]),
        pa.array(['{"team": "x"}', None]),
    ):
        columns = {
            "labels": labels,
            "messages": pa.array([messages, None]),
            "turns": [None, '[{"speaker":"A","text":"b"}]'],
        }
        read = Read(written(columns), PARQUET)
        assert [document["labels"] for document in read.documents] == [{"team": "x"}, {}]
        assert read.documents[0]["content"] == {"messages": messages}
        assert read.documents[1]["content"] == {"turns": [{"speaker": "A", "text": "b"}]}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"row_group_size": 7, "compression": "zstd"},
        {"compression": "gzip", "data_page_version": "2.0", "data_page_size": 100},
        {"compression": "none", "use_dictionary": False, "store_schema": False},
        {"compression": "brotli", "column_encoding": "DELTA_BYTE_ARRAY", "use_dictionary": False},
    ],
)
def test_the_way_of_writing_makes_no_difference(how: dict[str, Any]) -> None:
    texts = [f"text {number} " * (number % 50 + 1) for number in range(1_000)]
    read = Read(written({"text": texts}, **how), PARQUET, piece=999)
    assert [document["content"]["text"] for document in read.documents] == texts


def test_a_fault_is_told_by_its_row() -> None:
    read = Read(
        written({"text": ["a", " ", None, "d"], "turns": [None, None, "nope", "[]"]}, row_group_size=2), PARQUET
    )
    assert read.faults == [
        (2, "/text", "row 2: nothing is said here; remove it or give it text"),
        (3, "/turns", "row 3: the cell is not JSON: expected ident at line 1 column 2"),
        (4, "/turns", "row 4: List should have at least 1 item after validation, not 0"),
    ]
    assert read.problem is not None
    assert read.problem.detail.endswith("Bad rows: 3.")


STRUCTS = pa.array([[{"speaker": 1, "text": "a"}]])


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"text": [1]}, "the column `text` is of the type int64; it has to be text."),
        ({"text": [b"a"]}, "the column `text` is of the type binary; it has to be text."),
        ({"text": ["a"], "id": [1.5]}, "the column `id` is of the type double; it has to be text."),
        ({"text": ["a"], "labels.n": [1]}, "the column `labels.n` is of the type int64; it has to be text."),
        ({"turns": STRUCTS}, "it has to be a list of structs of text (speaker, text), or text that is JSON."),
        ({"turns": [["a"]]}, "it has to be a list of structs of text (speaker, text), or text that is JSON."),
        ({"messages": [[{"role": "user"}]]}, "a list of structs of text (role, content), or text that is JSON."),
        ({"text": ["a"], "labels": [["a"]]}, "it has to be a map or a struct of text, or text that is JSON."),
        ({"body": ["a"]}, "none of the columns is called `text`, `turns`, `messages`; there are `body`."),
        (pa.table([["a"], ["b"]], names=["text", "text"]), "more than one column is called `text`."),
    ],
)
def test_a_column_of_another_type_is_refused_by_its_name(columns: Any, says: str) -> None:
    problem = Read(written(columns), PARQUET).problem
    assert problem is not None
    assert problem.kind.name == "bad-dataset"
    assert problem.detail.startswith("The Parquet file cannot be taken: ")
    assert problem.detail.endswith(says)


def test_text_that_is_not_utf8_is_told_by_its_row() -> None:
    raw = pa.array([b"a", b"b", b"\xff"]).view(pa.string())
    problem = Read(written({"text": raw}), PARQUET).problem
    assert problem is not None
    assert problem.detail == "The Parquet file cannot be taken: `text` of row 3 is not UTF-8."


def test_a_label_that_stands_twice_in_a_map_is_told_by_its_row() -> None:
    labels = pa.array([[("a", "1")], [("a", "1"), ("a", "2")]], pa.map_(pa.string(), pa.string()))
    problem = Read(written({"text": ["a", "b"], "labels": labels}), PARQUET).problem
    assert problem is not None
    assert problem.detail == "The Parquet file cannot be taken: a key stands twice in `labels` of row 2."


def test_a_row_longer_than_the_limit_is_told_and_nothing_more_is_read() -> None:
    read = Read(written({"text": ["a", "b" * 2000, " "]}), PARQUET, max_body_bytes=1000)
    assert read.faults == [(2, "", "row 2: the row has at least 1001 bytes; the limit is 1000")]


def test_a_row_group_may_be_larger_than_the_memory_that_reads_it() -> None:
    body = written({"text": ["a" * 60_000] * 4_500}, use_dictionary=False, compression="none", write_batch_size=10)
    assert parquet.ParquetFile(io.BytesIO(body)).metadata.row_group(0).total_byte_size > 1 << 28
    with Upload(Settings(_env_file=None, unpack_memory_bytes=1 << 28), "north", "ds_1") as upload:  # type: ignore[call-arg]
        upload.begin(ParquetRows)
        upload.absorb(body)
        while upload.read_on():
            pass
        assert upload.documents == 4_500


def test_a_file_without_rows_has_no_documents() -> None:
    problem = Read(written({"text": pa.array([], pa.string())}), PARQUET).problem
    assert problem is not None
    assert problem.kind.name == "no-documents"
