"""CSV is read by its own grammar, whatever pieces it arrives in, and each fault is told by the line it begins at."""

import csv
import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upload_reading import CSV, JSON_LINES, Read

TALK = [{"speaker": "Ana", "text": 'Say "yes", please,\nnow.'}, {"speaker": "Bo", "text": "Yes."}]


def written(*rows: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def test_columns_are_the_fields_of_a_line_and_an_empty_cell_gives_nothing() -> None:
    body = b"\xef\xbb\xbf" + written(
        ["id", " domain ", "text", "turns", "messages", "labels", "labels.part", "cluster"],
        ["a", "prose", 'tab\t, "quoted",\r\nand on', "", "", "", "first", "book"],
        ["", "", "", json.dumps(TALK), "", '{"team": "x"}', "", ""],
        ["", "", "", "", '[{"role": "user", "content": "hi"}]', '{"team": "x"}', "last", ""],
    )
    read = Read(body, CSV)
    assert read.documents == [
        {"external_id": "a", "domain": "prose", "labels": {"part": "first"}, "cluster": "book",
         "content": {"text": 'tab\t, "quoted",\r\nand on'}},
        {"external_id": None, "domain": None, "labels": {"team": "x"}, "cluster": None, "content": {"turns": TALK}},
        {"external_id": None, "domain": None, "labels": {"team": "x", "part": "last"}, "cluster": None,
         "content": {"messages": [{"role": "user", "content": "hi"}]}},
    ]  # fmt: skip
    assert (read.sha256, read.length) == (hashlib.sha256(body).hexdigest(), len(body))


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1),
    st.integers(1, 40),
)
def test_any_text_arrives_unaltered_in_pieces_of_any_size(texts: list[str], piece: int) -> None:
    spoken = [text for text in texts if text.strip()]
    rows = [["text", "id"], *([text, str(number)] for number, text in enumerate(spoken))]
    read = Read(written(*rows), CSV, piece=piece)
    assert [document["content"]["text"] for document in read.documents] == spoken


def test_it_says_the_same_as_the_json_lines_of_the_same_documents() -> None:
    lines = [{"id": str(number), "domain": "d", "text": f"text {number}", "note": "n"} for number in range(50)]
    table = written(list(lines[0]), *([str(value) for value in line.values()] for line in lines))
    as_lines = Read("".join(json.dumps(line) + "\n" for line in lines).encode(), JSON_LINES)
    as_table = Read(table, CSV, piece=7)
    assert as_table.documents == as_lines.documents
    assert len(as_table.documents) == 50
    assert as_table.passed_over == as_lines.passed_over == {"note": 50}


def test_a_fault_is_told_by_the_line_that_its_row_begins_at() -> None:
    body = b'text,id\r\n"two\r\nlines",a\r\n\r\nx,b,c\r\nonly\r\n\xff,d\r\n"q"q,e\r\n,f\r\n"one\r\nmore",' + b"g" * 501
    assert Read(body, CSV).faults == [
        (5, "", "line 5: it has 3 cells; there are 2 columns"),
        (6, "", "line 6: it has 1 cells; there are 2 columns"),
        (7, "", "line 7: it is not UTF-8"),
        (8, "", "line 8: its quotation marks do not match; a cell that has one stands in them and doubles it"),
        (9, "", "line 9: give exactly one of `text`, `turns`, `messages`; none was given"),
        (10, "/id", "line 10: Value should have at most 500 items after validation, not 501"),
    ]


def test_a_quotation_mark_that_is_never_closed_is_told_by_where_it_opens() -> None:
    for body in (b'text\na\n5" pipe\nb\n', b'text\na\n"5 pipe\nb\n'):
        assert Read(body, CSV).faults == [(3, "", "line 3: a quotation mark opens a cell here that is never closed")]


@pytest.mark.parametrize(
    ("cell", "pointer", "says"),
    [
        ('turns="[1]"', "/turns/0", "valid dictionary"),
        ('turns="[]"', "/turns", "at least 1 item"),
        ("turns=Ana: hi", "/turns", "the cell is not JSON: expected value at line 1 column 1"),
        ("turns=" + "[" * 5000, "/turns", "the cell is not JSON: recursion limit exceeded"),
        ('labels="[]"', "/labels", "give an object of strings"),
        ('labels="{""part"": ""a""}"', "/labels", "`part` is given twice"),
        ('labels="{""size"": 3}"', "/labels/size", "valid string"),
    ],
)
def test_a_cell_that_is_not_what_its_column_says_is_named(cell: str, pointer: str, says: str) -> None:
    name, _, value = cell.partition("=")
    first = value if name == "turns" else '"[{""speaker"": ""A"", ""text"": ""b""}]"'
    second = value if name == "labels" else ""
    read = Read(f"turns,labels,labels.part\n{first},{second},p\n".encode(), CSV)
    ((line, at, message),) = read.faults
    assert (line, at) == (2, pointer)
    assert says in message


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"id;text", "none of the columns is called `text`, `turns`, `messages`; there are `id;text`"),
        (b"text,id,text", "more than one column is called `text`"),
        (b"text" + b",x" * 1000, "there are 1001 columns; at most 1000 are read"),
        (b"te\xffxt", "it is not UTF-8"),
    ],
)
def test_a_header_from_which_no_document_can_come_is_refused_at_once(header: bytes, says: str) -> None:
    read = Read(header + b"\n" + b"a\n" * 100, CSV)
    assert read.faults == [(1, "", f"line 1: {says}")]


def test_twenty_faults_are_told_and_nothing_more_is_read() -> None:
    read = Read(b"text,id\n" + b"a\n" * 100, CSV)
    assert [line for line, _, _ in read.faults] == list(range(2, 22))
    assert read.problem is not None
    assert read.problem.detail.endswith("At least 20 lines are bad.")


def test_a_row_longer_than_the_limit_is_refused_before_it_ends() -> None:
    for body in (b'text\nb\n"' + b"a\n" * 600, b"text\nb\n" + b"a" * 1200):
        (fault,) = Read(body, CSV, piece=100, max_body_bytes=1000).faults
        assert fault[0] == 3
        assert "the limit is 1000" in fault[2]


def test_a_table_without_rows_has_no_documents() -> None:
    for body in (b"", b"\n\n", b"text\n", b"text\r\n\r\n"):
        problem = Read(body, CSV).problem
        assert problem is not None
        assert problem.kind.name == "no-documents"
