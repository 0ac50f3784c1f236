"""JSON is read as lines, as an array or as an object around one, item by item, in pieces of any size."""

import json
from typing import Any

import pytest
from dataset_reading import JSON, Read
from hypothesis import given
from hypothesis import strategies as st

TALKS = [
    {"id": "a", "turns": [{"speaker": "Mira", "text": 'She said: "[{" \\ }'}, {"speaker": "Bo", "text": "“Yes” 👋\n"}]},
    {"id": "b", "text": '{"not": ["nested"]}, \\\\', "labels": {"part": "x"}},
    {"id": "c", "messages": [{"role": "user", "content": "hi"}]},
]
DESCRIBED = [
    {"id": "a", "content": {"turns": TALKS[0]["turns"]}},
    {"id": "b", "labels": {"part": "x"}, "content": {"text": TALKS[1]["text"]}},
    {"id": "c", "content": {"messages": TALKS[2]["messages"]}},
]
LINES = "".join(json.dumps(talk) + "\n" for talk in TALKS)
ARRAY = json.dumps(TALKS, ensure_ascii=False)
INDENTED = json.dumps(TALKS, indent=1)


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 64, 1 << 20])
@pytest.mark.parametrize(
    ("body", "container"),
    [
        (LINES, "jsonl"),
        (LINES.replace("\n", "\r\n"), "jsonl"),
        (LINES.replace("\n", "\n\n").rstrip(), "jsonl"),
        (ARRAY, "json"),
        (INDENTED, "json"),
        (f'  {{"data": {INDENTED} }} ', "json"),
        (f'{{"version": "1.0", "about": {{"a": [1, "]"]}}, "conversations": {ARRAY}}}\n', "json"),
    ],
)
def test_the_same_records_are_read_in_whatever_shape_they_are_written(body: str, container: str, piece: int) -> None:
    read = Read(body.encode(), piece=piece)
    assert read.described == DESCRIBED
    assert (read.reading.container, read.faults) == (container, [])


def test_members_around_the_records_are_named_where_they_are_passed_over() -> None:
    read = Read(f'{{"version": "1.0",\n"data": {ARRAY},\n"end": null}}'.encode())
    assert read.reading.notes == (
        "`version` beside `data` is passed over (line 1)",
        "`end` beside `data` is passed over (line 3)",
    )


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_an_object_of_records_gives_their_names_as_ids(piece: int) -> None:
    body = json.dumps({"first": {"text": "one"}, "second": {"text": "two", "id": "own"}}, indent=2)
    read = Read(body.encode(), piece=piece)
    assert read.described == [
        {"id": "first", "content": {"text": "one"}},
        {"id": "own", "content": {"text": "two"}},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"id": "a", "text": "one"},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"id": "x", "turns": [{"speaker": "A", "text": "b"}]},
    ],
)
def test_one_record_is_one_document_on_one_line_or_on_several(body: Any) -> None:
    assert len(Read(json.dumps(body).encode()).documents) == 1
    read = Read(json.dumps(body, indent=2).encode())
    assert (len(read.documents), read.reading.container) == (1, "json")


RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(RECORDS, min_size=1), st.integers(1, 30), st.sampled_from([None, 1]), st.booleans())
def test_any_json_in_records_is_split_where_they_end(
    others: list[Any], piece: int, indent: int | None, ascii_only: bool
) -> None:
    records = [{"text": f"text {number}", "other": other} for number, other in enumerate(others)]
    body = json.dumps(records, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    read = Read(body, JSON, piece=piece)
    assert read.texts == [record["text"] for record in records]
    assert read.reading.passed_over == {"other": len(records)}


@pytest.mark.parametrize("piece", [3, 1 << 20])
@pytest.mark.parametrize(
    ("body", "place", "says"),
    [
        ('[\n{"text": "a"}\n{"text": "b"}]', "item 1 (line 2)", "a comma is missing after it"),
        ('[\n{"text": "a"},\n]', "item 2 (line 3)", "a value is missing before `]`"),
        ('[{"text": "a"},\n{"text": "b"', "item 2 (line 2)", "the file breaks off inside it; send the whole file"),
        ('[{"text": "a"}\n', "item 1 (line 1)", "the file breaks off after it, without `]`; send the whole file"),
        ('{"data": [{"text": "a"}]\n', "item 1 (line 1)", "the file breaks off after it, without `}`"),
        ('[{"text": "a"}] x', "item 2 (line 1)", "the JSON value that stands before it is the whole file already"),
        (
            '{\n"text": "a"\n}\n{\n"text": "b"\n}',
            "item 2 (line 4)",
            "put each record on a line of its own (JSON Lines)",
        ),
        ('[{"text": "a"}, 7, "x"]', "item 2 (line 1)", "give a JSON object"),
        ('[{"text": "a"},\n\n{"text": }]', "item 2 (line 3)", "Invalid JSON"),
        ('{"a": {"text": "a"}, b: 1}', "item 1 (line 1)", "a name in quotation marks is expected here"),
    ],
)
def test_what_is_wrong_is_told_by_its_item_and_line(body: str, place: str, says: str, piece: int) -> None:
    read = Read(body.encode(), JSON, piece=piece)
    assert read.faults[0][0] == place
    assert says in read.faults[0][2]


def test_a_bad_item_does_not_hide_the_next_ones() -> None:
    read = Read(b'[{"text": "a"},\n{"text": " "},\n{"text" "b"},\n{"text": "c"}]')
    assert [place for place, _, _ in read.faults] == ["item 2 (line 2)", "item 3 (line 3)"]
    assert read.texts == ["a", "c"]


def test_a_bad_first_line_does_not_make_lines_something_else() -> None:
    read = Read(b'{"text": "a"\n{"text": "b"}\n{"text": "c"}\n', JSON)
    assert [place for place, _, _ in read.faults] == ["line 1"]
    assert read.texts == ["b", "c"]


def test_an_item_longer_than_the_limit_is_refused_before_it_ends() -> None:
    for body in (b'[{"text": "a"},\n{"text": "', b'{"data": [{"text": "a"},\n{"x": ['):
        (fault,) = Read(body + b"a" * 500_000, piece=1_000, record_bytes=100_000).faults
        assert fault[0] == "item 2 (line 2)"
        assert fault[2].startswith("the item has at least 100")
        assert fault[2].endswith(" bytes; the limit is 100000")


def test_a_line_longer_than_the_limit_is_refused_before_it_ends() -> None:
    (fault,) = Read(b'{"text": "a"}\n{"text": "' + b"a" * 5_000, piece=100, record_bytes=1_000).faults
    assert fault[0] == "line 2"
    assert fault[2].endswith("the limit is 1000")


@pytest.mark.parametrize("body", ["", " \n", "[]", " [ ]\n", '{"data": []}'])
def test_json_without_records_has_no_documents(body: str) -> None:
    read = Read(body.encode(), JSON)
    assert (read.documents, read.unreadable) == ([], None)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_json_in_other_encodings_is_read(encoding: str) -> None:
    assert Read(ARRAY.encode(encoding), piece=99).described == DESCRIBED
    assert Read(LINES.encode(encoding)).described == DESCRIBED


def test_a_line_that_is_not_utf_8_after_others_that_are_is_the_fault_of_the_line() -> None:
    body = '{"text": "é"}\n'.encode() * 3 + b'{"text": "\xff"}\n' + b'{"text": "b"}\n'
    assert [place for place, _, _ in Read(body).faults] == ["line 4"]
