"""Zips that cannot be meant well, or cannot be read, are refused in words; none takes much memory or time."""

import io
import json
import struct
import time
import tracemalloc
import zipfile

import pytest
from dataset_reading import Read

from formats.datasets.archives import entries

LINE = '{"text": "one"}\n'


def zipped(*files: tuple[zipfile.ZipInfo | str, str | bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of the files."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", kind) as archive:
        for name, content in files:
            archive.writestr(name, content, kind)
    return written.getvalue()


def info(name: str, mode: int) -> zipfile.ZipInfo:
    """An entry with a Unix mode."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def refused(body: bytes, **limits: int) -> str:
    """Why a zip is refused as a whole."""
    read = Read(body, **limits)
    assert (read.documents, read.faults) == ([], [])
    assert read.unreadable is not None
    return read.unreadable


@pytest.mark.parametrize("name", ["/etc/a.jsonl", "../a.jsonl", "x/../../a.jsonl", "C:/a.jsonl", "..\\a.jsonl"])
def test_paths_that_lead_out_of_the_zip(name: str) -> None:
    shown = name.replace("\\", "/")
    assert refused(zipped((name, LINE))) == f"The zip has the entry `{shown}`, whose path leads out of it."


def test_folders_written_with_backslashes_are_folders() -> None:
    assert str(Read(zipped(("set\\a.jsonl", LINE))).documents[0].place) == "line 1 of set/a.jsonl"


def test_links() -> None:
    body = zipped((info("a.jsonl", 0o120777), "/etc/passwd"))
    assert refused(body) == "The zip has the entry `a.jsonl`, which is a link; pack the file itself."


def test_encrypted_entries() -> None:
    body = bytearray(zipped(("a.jsonl", LINE)))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(signature) + place] |= 1
    assert refused(bytes(body)) == "The zip has the entry `a.jsonl`, which is encrypted; pack it without password."


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name() -> None:
    assert refused(zipped(("a.jsonl", LINE), ("a.jsonl", LINE))) == "The zip has the entry `a.jsonl` twice."


@pytest.mark.parametrize("name", ["inner.zip", "set/a.jsonl.gz", "b.tar"])
def test_archives_inside(name: str) -> None:
    assert refused(zipped((name, b"PK\x03\x04"))) == f"{name}: An archive stands inside the archive; unpack it."


def test_an_archive_inside_under_another_name() -> None:
    inner = zipped(("a.jsonl", LINE))
    for name in ("a.json", "a.txt", "a"):
        assert refused(zipped((name, inner))) == f"{name}: An archive stands inside the archive; unpack it."


def test_documents_of_office_programs() -> None:
    told = "minutes.docx: It is a document of an office program; save it as text, or a table as CSV."
    assert refused(zipped(("minutes.docx", b"PK\x03\x04"))) == told


def test_a_zip_of_nothing_that_is_read() -> None:
    assert refused(zipped(("README.md", "x"))) == "It holds no file that is read: no transcript and no data set."
    assert refused(zipped()) == "It holds no file that is read: no transcript and no data set."


def test_a_bomb_is_stopped_where_it_exceeds_a_hundred_times_its_bytes() -> None:
    body = zipped(("a.jsonl", ('{"text":' + " " * 1_000_000 + '"one"}\n') * 40))
    assert len(body) < 100_000
    tracemalloc.start()
    try:
        told = refused_late(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    most = f"{32 << 20} bytes, the most that is taken of one of {len(body)} bytes."
    assert told == f"a.jsonl: The zip unpacks to more than {most}"
    assert peak < 24 << 20


def refused_late(body: bytes, **limits: int) -> str:
    """Why a zip is refused after some of it was read."""
    told = Read(body, **limits).unreadable
    assert told is not None
    return told


def test_all_files_together_are_bounded() -> None:
    body = zipped(*((f"{number}.jsonl", LINE * 1_000) for number in range(10)))
    assert refused_late(body, documents_bytes=50_000).startswith("3.jsonl: The zip unpacks to more than 50000 bytes")


def test_a_file_that_is_looked_into_before_it_is_read_counts_once() -> None:
    lines = "Ada: Is it far?\nSol: Two miles.\n"
    body = zipped(*((f"{number}.txt", lines * 300) for number in range(3)))
    assert Read(body, documents_bytes=30_000).unreadable is None


def test_too_many_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST_ENTRIES", 5)
    body = zipped(*((f"{number}.jsonl", LINE) for number in range(6)))
    assert refused(body) == "The zip has 6 entries; at most 5 are read."


def test_a_list_of_entries_that_claims_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST_DIRECTORY_BYTES", 1_000)
    body = zipped(*((f"{number}.jsonl", LINE) for number in range(100)))
    assert refused(body) == "The list of the zip's entries has more than 1000 bytes."


def test_a_long_path() -> None:
    assert " of a path above 1000 characters." in refused(zipped(("a/" * 600 + "a.jsonl", LINE)))


def test_a_file_that_is_cut_off_or_none() -> None:
    body = zipped(("a.jsonl", LINE))
    assert refused(body[:-10]) == "The zip cannot be read: it is cut off or damaged."
    assert refused(b"PK\x03\x04" + b"\x00" * 200) == "The zip cannot be read: it is cut off or damaged."


def test_an_entry_that_is_not_what_it_says() -> None:
    body = bytearray(zipped(("a.jsonl", LINE * 50), kind=zipfile.ZIP_STORED))
    body[body.index(b"one")] ^= 1
    assert refused_late(bytes(body)) == "a.jsonl: it cannot be unpacked; the zip is damaged."


def test_an_entry_packed_in_a_way_that_is_unknown() -> None:
    body = bytearray(zipped(("a.jsonl", LINE)))
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", body, body.index(signature) + place, 97)
    assert refused(bytes(body)) == "a.jsonl: it is packed in a way that is not read; pack it anew."


def test_a_transcript_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("formats.datasets.archives.transcripts.MOST_TRANSCRIPT_BYTES", 100)
    read = Read(zipped(("a.vtt", "WEBVTT\n" + "\n" * 200)))
    assert read.faults == [("line 1 of a.vtt", "", "the file has 207 bytes; a transcript has at most 100")]


def test_many_small_files_take_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        body = zipped(*((f"{number % 97}/{number}.jsonl", LINE) for number in range(count)), kind=zipfile.ZIP_STORED)
        began = time.process_time()
        assert len(Read(body).documents) == count
        return time.process_time() - began

    assert seconds(2_000) < 10 * seconds(500) + 0.5


def test_deeply_nested_json_is_a_fault_and_not_a_crash() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    rows = f'{{"conversations": {deep}}}\n'
    for name in ("a.jsonl", "a.json"):
        read = Read(zipped((name, rows)))
        assert read.documents == []
        assert read.faults or read.unreadable
    told = json.dumps({"a": {"meta": {}}})[:-1] + f', "b": {deep}}}'
    read = Read(zipped(("utterances.jsonl", ""), ("conversations.json", told)))
    assert read.unreadable is not None
    assert read.unreadable.startswith("conversations.json: the conversation `b`: Invalid JSON")
