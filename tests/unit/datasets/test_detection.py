"""What a data set is written in is told by its type, its ending or its content; what is no data set is refused."""

import io
import json

import pyarrow as pa
import pytest
from dataset_reading import Read
from pyarrow import parquet

from formats.datasets.detection import container_named, has_header
from formats.datasets.layouts.registry import detected
from formats.errors import UnreadableFile


def as_parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"text": ["a"]}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("media_type", "file_name", "container"),
    [
        ("application/x-ndjson", "a.csv", "json"),
        ("application/json", "", "json"),
        ("text/csv", "a.txt", "csv"),
        ("text/tab-separated-values", "", "tsv"),
        ("application/zip", "", "zip"),
        ("application/vnd.apache.parquet", "", "parquet"),
        ("application/octet-stream", "TALKS.TSV", "tsv"),
        ("application/vnd.ms-excel", "a.csv", "csv"),
        ("application/octet-stream", "a.dat", ""),
        ("text/plain", "", ""),
        ("", "", ""),
        ("application/vnd.ms-excel", "a.xlsx", None),
        ("image/png", "", None),
    ],
)
def test_a_type_decides_and_where_it_says_nothing_the_ending(
    media_type: str, file_name: str, container: str | None
) -> None:
    assert container_named(media_type, file_name) == container


@pytest.mark.parametrize(
    ("body", "container"),
    [
        (b'{"text": "a"}\n', "jsonl"),
        (b' \n[{"text": "a"}]', "json"),
        (b"id,text\n1,a\n", "csv"),
        (b"id;text;x\n1;a;y\n", "csv"),
        (b"text\na\n", "csv"),
        ("conversation_id\tspeaker\ttext\n1\tMira\ta\n".encode("utf-16"), "csv"),
        (b"sep=|\nid|text\n1|a\n", "csv"),
        (as_parquet(), "parquet"),
    ],
)
def test_content_decides_where_nothing_else_does(body: bytes, container: str) -> None:
    read = Read(body, piece=5)
    assert (read.reading.container, len(read.documents)) == (container, 1)


@pytest.mark.parametrize(
    "body",
    [b"Mira: Shall we begin?\nBo: Yes.\n", b"WEBVTT\n\n", b"It was late, and cold.\n", b"\x89PNG\r\n\x1a\n\x00\x00"],
)
def test_content_that_is_no_data_set_is_refused_with_what_to_do(body: bytes) -> None:
    read = Read(body)
    assert read.documents == []
    assert read.unreadable is not None
    assert "JSON Lines" in read.unreadable


def test_a_header_names_columns_of_documents_or_utterances() -> None:
    assert [has_header(line) for line in (b"id,text\n", b"text", b"conversation_id,speaker,text", b"turns;id")] == [
        True
    ] * 4
    assert [has_header(line) for line in (b"", b"id,name\n", b"the text, he said", b"speaker\tmood")] == [False] * 4


def test_options_that_there_are_not_are_refused_by_name() -> None:
    for option in ({"layout": "tree"}, {"branches": "best"}, {"names": "hide"}):
        with pytest.raises(ValueError, match=f"{next(iter(option))} is one of"):
            Read(json.dumps({"text": "a"}).encode(), **option)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="container is one of json, csv"):
        Read(b"", "xlsx")


def test_a_recognizers_transcript_is_no_document_of_its_text_alone() -> None:
    segments = [{"start": 0.0, "end": 1.0, "text": "Is it late?", "speaker": "A"}]
    with pytest.raises(UnreadableFile, match="speech recognizer's transcript"):
        detected({"text": "Is it late?", "segments": segments, "language": "en"})
