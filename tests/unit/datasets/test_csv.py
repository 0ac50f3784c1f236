"""CSV is read by its own grammar, whatever pieces it arrives in, and each fault is told by the line it begins at."""

import csv
import io
import json

import pytest
from dataset_reading import CSV, JSON, TSV, Read
from hypothesis import given
from hypothesis import strategies as st

TALK = [{"speaker": "Ana", "text": 'Say "yes", please,\nnow.'}, {"speaker": "Bo", "text": "Yes."}]


def written(*rows: list[str], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode()


def test_columns_are_the_fields_of_a_line_and_an_empty_cell_gives_nothing() -> None:
    body = b"\xef\xbb\xbf" + written(
        ["id", " domain ", "text", "turns", "messages", "labels", "labels.part", "cluster"],
        ["a", "prose", 'tab\t, "quoted",\r\nand on', "", "", "", "first", "book"],
        ["", "", "", json.dumps(TALK), "", '{"team": "x"}', "", ""],
        ["", "", "", "", '[{"role": "user", "content": "hi"}]', '{"team": "x"}', "last", ""],
    )
    assert Read(body, CSV).described == [
        {"id": "a", "domain": "prose", "labels": {"part": "first"}, "cluster": "book",
         "content": {"text": 'tab\t, "quoted",\r\nand on'}},
        {"labels": {"team": "x"}, "content": {"turns": TALK}},
        {"labels": {"team": "x", "part": "last"}, "content": {"messages": [{"role": "user", "content": "hi"}]}},
    ]  # fmt: skip


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1),
    st.integers(1, 40),
    st.sampled_from(",;\t|"),
)
def test_any_text_arrives_unaltered_in_pieces_of_any_size(texts: list[str], piece: int, delimiter: str) -> None:
    spoken = [text for text in texts if text.strip()]
    rows = [["text", "id"], *([text, str(number)] for number, text in enumerate(spoken))]
    assert Read(written(*rows, delimiter=delimiter), CSV, piece=piece).texts == spoken


def test_it_says_the_same_as_the_json_lines_of_the_same_documents() -> None:
    lines = [{"id": str(number), "domain": "d", "text": f"text {number}", "note": "n"} for number in range(50)]
    table = written(list(lines[0]), *([str(value) for value in line.values()] for line in lines))
    as_lines = Read("".join(json.dumps(line) + "\n" for line in lines).encode(), JSON)
    as_table = Read(table, CSV, piece=7)
    assert as_table.described == as_lines.described
    assert len(as_table.documents) == 50
    assert as_table.reading.passed_over == as_lines.reading.passed_over == {"note": 50}


def test_a_fault_is_told_by_the_line_that_its_row_begins_at() -> None:
    body = (
        b"text,id\r\n"
        + '"two\r\nlinés",a\r\n\r\nx,b,c\r\nonly\r\n'.encode()
        + b'\xff,d\r\n"q"q,e\r\n,f\r\n"one\r\nmore",'
        + b"g" * 501
    )
    assert Read(body, CSV).faults == [
        ("line 5", "", "it has 3 cells; there are 2 columns"),
        ("line 6", "", "it has 1 cells; there are 2 columns"),
        ("line 7", "", "it is not UTF-8"),
        ("line 8", "", "its quotation marks do not match; a cell that has one stands in them and doubles it"),
        ("line 9", "", "give exactly one of `text`, `turns`, `messages`; none was given"),
        ("line 10", "/id", "Value should have at most 500 items after validation, not 501"),
    ]


def test_a_quotation_mark_that_is_never_closed_is_told_by_where_it_opens() -> None:
    for body in (b'text\na\n"5 pipe\nb\n', b'id,text\na,b\nc,"5 pipe\nb\nd,e\n', b'id,text\n1,"a\nb"\n"2","5\n'):
        line = 4 if body.endswith(b"5\n") else 3
        assert Read(body, CSV).faults == [
            (f"line {line}", "", "a quotation mark opens a cell here that is never closed")
        ]


def test_a_quotation_mark_opens_a_cell_only_where_the_cell_begins() -> None:
    body = b'id,text\n1,The 6" pipe leaks\n2,a "b" c\n3,"says ""6"" here"\n4,5"\n5,ok\n'
    assert Read(body, CSV).texts == ['The 6" pipe leaks', 'a "b" c', 'says "6" here', '5"', "ok"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_lines_end_as_any_system_ends_them_and_cells_keep_theirs(end: str, piece: int) -> None:
    body = end.join(["id,text", "1,a", f'2,"b{end}c"', "3,d"]).encode()
    assert Read(body, CSV, piece=piece).texts == ["a", f"b{end}c", "d"]


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"id;text\na;b, c\n", "cells are separated by semicolons"),
        (b"id\ttext\na\tb, c\n", "cells are separated by tabs"),
        (b"id|text\na|b, c\n", "cells are separated by vertical bars"),
        (b"sep=;\r\nid;text\r\na;b, c\r\n", None),
        (b"\xef\xbb\xbfSEP=^\nid^text\na^b, c\n", None),
        (b'"sep=;"\nid;text\na;b, c\n', None),
        (b'id,text\na,"b, c"\n', None),
    ],
)
def test_what_separates_cells_is_told_from_the_first_lines(body: bytes, note: str | None) -> None:
    read = Read(body, CSV)
    assert read.described == [{"id": "a", "content": {"text": "b, c"}}]
    assert read.reading.notes == ((note,) if note else ())


def test_lines_are_counted_from_the_first_one_also_where_it_only_names_the_delimiter() -> None:
    assert Read(b"sep=;\nid;text\na;b\nc;\n", CSV).faults[0][0] == "line 4"


def test_tabs_separate_the_cells_of_tsv_whatever_its_header_has() -> None:
    read = Read(b"text\tid, or so\na, b\t1\n", TSV)
    assert read.texts == ["a, b"]
    assert read.reading.passed_over == {"id, or so": 1}


def test_columns_without_a_name_are_passed_over_and_those_with_values_are_counted() -> None:
    read = Read(b"id,text,,\na,one,,\nb,two,,x\nc,three,,y\n", CSV)
    assert read.texts == ["one", "two", "three"]
    assert read.reading.passed_over == {"column 4": 2}
    assert read.reading.notes == ("1 column without a name or a value is passed over (column 3)",)


def test_rows_without_anything_are_passed_over_and_counted() -> None:
    read = Read(b",,\nid,text,labels.part\na,one,x\n,,\n\n , ,\nb,two,y,,\n,,,,\n", CSV)
    assert read.texts == ["one", "two"]
    assert read.reading.notes == (
        "3 empty rows are passed over",
        "rows have empty cells beyond the last column, which are passed over: 1",
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_encodings_of_spreadsheets_are_read(encoding: str, piece: int) -> None:
    body = "id\ttext\r\na1\tcafé 👋\r\n".encode(encoding)
    assert Read(body, CSV, piece=piece).described == [{"id": "a1", "content": {"text": "café 👋"}}]


@pytest.mark.parametrize("filler", [0, 5_000])
def test_windows_1252_is_a_guess_that_is_said(filler: int) -> None:
    body = b"id,text\n" + b"a,plain\n" * filler + "b,“naïve” – 5 €\n".encode("cp1252")
    read = Read(body, CSV, piece=777)
    assert read.texts[-1] == "“naïve” – 5 €"
    assert len(read.texts) == filler + 1
    assert read.reading.encoding == "windows-1252"
    assert read.reading.notes == (
        "it was read as Windows-1252, which is a guess; where letters look wrong, save the file as UTF-8",
    )


def test_bytes_that_are_no_text_in_any_encoding_are_refused_by_their_line() -> None:
    read = Read(b"id,text\na,b\nc,\x81\xfe\n", CSV)
    assert read.unreadable == "line 3 is not UTF-8; save the file as UTF-8"


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
    ((place, at, message),) = read.faults
    assert (place, at) == ("line 2", pointer)
    assert says in message


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"id,body", "none of the columns is called `text`, `turns`, `messages`; there are `id`, `body`"),
        (b"text,id,text", "more than one column is called `text`"),
        (b"text" + b",x" * 1000, "there are 1001 columns; at most 1000 are read"),
        ("té,te".encode() + b"\xffxt", "it is not UTF-8"),
    ],
)
def test_a_header_from_which_no_document_can_come_is_refused_at_once(header: bytes, says: str) -> None:
    read = Read(header + b"\n" + b"a,b\n" * 100, CSV)
    assert read.faults == [("line 1", "", says)]


def test_a_row_longer_than_the_limit_is_refused_before_it_ends() -> None:
    (quoted,) = Read(b'text\nb\n"' + b"a\n" * 600, CSV, piece=100, record_bytes=1000).faults
    assert quoted[0] == "line 3"
    assert quoted[2].endswith("the limit is 1000; the quotation mark that opens a cell on line 3 is not closed before")
    (plain,) = Read(b"text\nb\n" + b"a" * 1200, CSV, piece=100, record_bytes=1000).faults
    assert plain[0] == "line 3"
    assert plain[2].endswith("the limit is 1000")


def test_a_table_without_rows_has_no_documents() -> None:
    for body in (b"", b"\n\n", b"text\n", b"text\r\n\r\n", b",,\n", b"sep=;\n"):
        read = Read(body, CSV)
        assert (read.documents, read.faults, read.unreadable) == ([], [], None)


def test_a_table_of_utterances_is_read_as_conversations_and_refused_as_documents() -> None:
    body = b"conversation_id,speaker,text\nc1,Mira,One.\nc2,Ify,Two.\nc1,Tomas,Three.\n"
    read = Read(body, CSV)
    assert read.talks == [[("Mira", "One."), ("Tomas", "Three.")], [("Ify", "Two.")]]
    assert (read.reading.layout, read.reading.documents, read.reading.turns) == ("utterances", 2, 3)
    ((place, _, message),) = Read(body, CSV, layout="documents").faults
    assert place == "line 2"
    assert "layout=utterances" in message
