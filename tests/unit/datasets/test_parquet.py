"""Parquet is read row by row in whatever way it was written; what cannot be read is named."""

import io
from typing import Any

import pyarrow as pa
import pytest
from dataset_reading import PARQUET, Read
from pyarrow import parquet

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
    assert read.texts == ["It was late.\t\\N", "hé 👋", 'a "b"\n']
    assert [document.id for document in read.documents] == ["a", None, None]
    assert [document.domain for document in read.documents] == ["prose", None, "prose"]
    assert [document.labels for document in read.documents] == [{"part": "first"}, {}, {}]
    assert read.documents[0].cluster == "c"
    assert read.reading.passed_over == {"vector": 3}
    assert (read.reading.container, read.reading.layout) == ("parquet", "documents")


@pytest.mark.parametrize("of", [pa.list_, pa.large_list])
def test_turns_may_be_lists_of_structs_and_what_else_they_carry_is_counted(of: Any) -> None:
    kind = of(pa.struct([("time", pa.float64()), ("speaker", pa.string()), ("text", pa.string())]))
    turns = pa.array([[turn | {"time": 3.5} for turn in TALK]] * 2, kind)
    read = Read(written({"turns": turns}), PARQUET)
    assert read.contents == [{"turns": TALK}] * 2
    assert read.reading.passed_over == {"turns.time": 2}


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
        assert [document.labels for document in read.documents] == [{"team": "x"}, {}]
        assert read.contents == [{"messages": messages}, {"turns": [{"speaker": "A", "text": "b"}]}]


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
    assert read.texts == texts


def test_a_fault_is_told_by_its_row() -> None:
    read = Read(
        written({"text": ["a", " ", None, "d"], "turns": [None, None, "nope", "[]"]}, row_group_size=2), PARQUET
    )
    assert read.faults == [
        ("row 2", "/text", "nothing is said here; remove it or give it text"),
        ("row 3", "/turns", "the cell is not JSON: expected ident at line 1 column 2"),
        ("row 4", "/turns", "List should have at least 1 item after validation, not 0"),
    ]


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
    message = Read(written(columns), PARQUET, layout="documents").unreadable
    assert message is not None
    assert message.startswith("The Parquet file cannot be taken: ")
    assert message.endswith(says)


def test_text_that_is_not_utf8_is_told_by_its_row() -> None:
    raw = pa.array([b"a", b"b", b"\xff"]).view(pa.string())
    assert Read(written({"text": raw}), PARQUET).unreadable == (
        "The Parquet file cannot be taken: `text` of row 3 is not UTF-8."
    )


def test_a_label_that_stands_twice_in_a_map_is_told_by_its_row() -> None:
    labels = pa.array([[("a", "1")], [("a", "1"), ("a", "2")]], pa.map_(pa.string(), pa.string()))
    assert Read(written({"text": ["a", "b"], "labels": labels}), PARQUET).unreadable == (
        "The Parquet file cannot be taken: a key stands twice in `labels` of row 2."
    )


def test_a_row_longer_than_the_limit_is_told_and_nothing_more_is_read() -> None:
    read = Read(written({"text": ["a", "b" * 2000, " "]}), PARQUET, record_bytes=1000)
    assert read.faults == [("row 2", "", "the row has at least 1001 bytes; the limit is 1000")]


def test_a_row_group_may_be_larger_than_the_memory_that_reads_it() -> None:
    body = written({"text": ["a" * 60_000] * 4_500}, use_dictionary=False, compression="none", write_batch_size=10)
    assert parquet.ParquetFile(io.BytesIO(body)).metadata.row_group(0).total_byte_size > 1 << 28
    assert len(Read(body, PARQUET, unpack_memory_bytes=1 << 28).documents) == 4_500


def test_a_file_without_rows_has_no_documents() -> None:
    read = Read(written({"text": pa.array([], pa.string())}), PARQUET)
    assert (read.documents, read.faults, read.unreadable) == ([], [], None)


CALL = [{"id": "c1", "function": {"name": "tide_table", "arguments": "{}"}}]
ASKED = [
    {"role": "user", "content": "When is high water?", "tool_calls": None, "weight": None},
    {"role": "assistant", "content": None, "tool_calls": CALL, "weight": 0},
    {"role": "tool", "content": "21:05", "tool_calls": None, "weight": None},
]


@pytest.mark.parametrize("layout", ["auto", "documents", "openai"])
def test_members_of_messages_beyond_words_are_kept_or_counted_and_words_may_be_missing(layout: str) -> None:
    read = Read(written({"messages": [ASKED], "source": ["x"]}), PARQUET, layout=layout)
    assert read.contents == [
        {
            "messages": [
                {"role": "user", "content": "When is high water?"},
                {"role": "assistant", "content": None, "tool_calls": CALL},
                {"role": "tool", "content": "21:05"},
            ]
        }
    ]
    assert read.reading.passed_over == {"messages.weight": 1, "source": 1}


def test_a_table_of_utterances_may_have_times_numbers_and_columns_that_no_json_has() -> None:
    times = pa.array([1_700_000_060_000_000_000, 1_700_000_000_000_000_000, None], pa.timestamp("ns", "UTC"))
    columns = {
        "conversation_id": [7, 7, 8],
        "speaker": pa.array(["Mira", "Tomas", "Ify"]).dictionary_encode(),
        "text": ["Second.", "First.", "Alone."],
        "timestamp": times,
        "audio": [b"\x00", b"\x01", None],
        "score": [0.5, float("nan"), None],
    }
    read = Read(written(columns), PARQUET)
    assert read.reading.layout == "utterances"
    assert read.talks == [[("Tomas", "First."), ("Mira", "Second.")], [("Ify", "Alone.")]]
    assert [turn.get("start") for turn in read.contents[0]["turns"]] == [0.0, 60.0]
    assert [document.id for document in read.documents] == ["7", "8"]
    assert {"turns.audio", "turns.score"} <= read.reading.passed_over.keys()


def test_lists_of_structs_of_other_layouts_come_through() -> None:
    talk = [{"from": "human", "value": "Which boat?"}, {"from": "gpt", "value": "The blue one."}]
    chat = [{"role": "user", "content": "Which boat?"}, {"role": "assistant", "content": "The blue one."}]
    for columns, layout in (({"conversations": [talk]}, "sharegpt"), ({"conversation": [chat]}, "openai"),
                            ({"chosen": [chat], "rejected": [chat[:1]]}, "hh")):  # fmt: skip
        read = Read(written(columns), PARQUET)
        assert read.reading.layout == layout
        assert read.talks == [[("user", "Which boat?"), ("assistant", "The blue one.")]]


def test_a_column_whose_name_has_a_point_is_not_taken_for_a_member() -> None:
    read = Read(written({"text": ["a"], "turns.text": ["b"], "labels": [{"x": "y"}], "labels.x.y": ["z"]}), PARQUET)
    assert [(document.content, document.labels) for document in read.documents] == [
        ({"text": "a"}, {"x": "y", "x.y": "z"})
    ]
    assert read.reading.passed_over == {"turns.text": 1}


def test_a_table_of_utterances_is_refused_as_documents() -> None:
    columns = {"conversation_id": ["c1", "c1"], "speaker": ["Mira", "Bo"], "text": ["One.", "Two."]}
    ((place, _, message),) = Read(written(columns), PARQUET, layout="documents").faults
    assert place == "row 1"
    assert "layout=utterances" in message
