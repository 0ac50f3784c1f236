"""What zips and folders hold: transcripts, corpora, exports and data set files, each by its own reader."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from dataset_reading import LIMITS, Read

from formats.datasets.archive import FolderDocuments
from formats.datasets.layouts.fields import fields_of
from formats.datasets.records import Fault, Record
from formats.notes import Notes

VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada>Who has the key?</v>\n\n00:03.000 --> 00:04.000\n<v Sol>I do.</v>\n"
SRT = "1\n00:00:01,000 --> 00:00:02,000\nAda: Now?\n\n2\n00:00:03,000 --> 00:00:04,000\nSol: Soon.\n"
LINES = "Ify: Is it far?\nAda: Two miles.\n"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A zip of the files."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def json_lines(*rows: Any) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def by_id(read: Read) -> dict[str | None, list[tuple[str, str | None]]]:
    """Who says what, by the id of the document."""
    assert (read.faults, read.unreadable) == ([], None)
    return {document.id: talk for document, talk in zip(read.documents, read.talks, strict=True)}


# Transcripts


def test_each_transcript_is_a_document_named_by_its_path() -> None:
    read = Read(zipped({"week 2/monday.srt": SRT, "week 1/friday.vtt": VTT, "notes.txt": LINES}))
    assert by_id(read) == {
        "notes": [("Ify", "Is it far?"), ("Ada", "Two miles.")],
        "week 1/friday": [("Ada", "Who has the key?"), ("Sol", "I do.")],
        "week 2/monday": [("Ada", "Now?"), ("Sol", "Soon.")],
    }
    assert (read.reading.container, read.reading.layout) == ("zip", "transcripts")
    formats = [document.reading.format for document in read.documents if document.reading]
    assert formats == ["lines", "webvtt", "srt"]
    assert read.contents[1]["turns"][1] == {"speaker": "Sol", "text": "I do.", "start": 3.0, "end": 4.0}
    assert str(read.documents[1].place) == "line 1 of week 1/friday.vtt"


def test_what_is_no_conversation_is_passed_over_and_said() -> None:
    read = Read(
        zipped(
            {
                "a.vtt": VTT,
                "__MACOSX/._a.vtt": b"\x00\x05\x16\x07",
                ".DS_Store": b"\x00\x00\x00\x01",
                "README.md": "# Calls",
                "LICENSE": "All rights",
                "audio/a.m4a": b"\x00\x00",
                "empty/": b"",
            }
        )
    )
    assert list(by_id(read)) == ["a"]
    assert read.reading.notes == (
        "5 files are passed over: `.DS_Store`, `LICENSE`, `README.md`, `__MACOSX/._a.vtt`, `audio/a.m4a`",
    )


def test_files_that_differ_in_their_endings_are_named_with_them() -> None:
    read = Read(zipped({"talk.vtt": VTT, "talk.txt": LINES, "talk.mp3": b"", "other.srt": SRT}))
    assert list(by_id(read)) == ["other", "talk.txt", "talk.vtt"]
    assert "files whose names differ in the ending alone are documents each, and named with it" in read.reading.notes


def test_a_bad_transcript_names_its_file_and_line() -> None:
    read = Read(zipped({"good.vtt": VTT, "bad.vtt": "WEBVTT\n\n", "worse.txt": "Just some prose, and no names in it."}))
    assert [place for place, _, _ in read.faults] == ["line 1 of bad.vtt", "line 1 of worse.txt"]


def test_pseudonyms_hide_the_names_of_files_too() -> None:
    read = Read(zipped({"Chat with Ada.vtt": VTT, "Sol.vtt": VTT, "Ify.mp3": b""}), names="pseudonyms")
    talk = [("P1", "Who has the key?"), ("P2", "I do.")]
    assert by_id(read) == {"1": talk, "2": talk}
    assert not any(name in note for note in read.reading.notes for name in ("Ada", "Sol", "Ify"))
    assert [dict(document.reading.speakers) for document in read.documents if document.reading] == 2 * [
        {"P1": 1, "P2": 1}
    ]


# Data set files


def test_files_of_data_sets_are_each_read_by_their_own_container_and_layout() -> None:
    read = Read(
        zipped(
            {
                "train.jsonl": json_lines({"text": "one"}, {"text": "two"}),
                "talks.csv": "conversation_id,speaker,text\nx,Ada,Hi?\nx,Sol,Ho.\n",
                "chats.json": json.dumps([{"conversations": [{"from": "human", "value": "Hm?"}]}]),
                "call.vtt": VTT,
            }
        )
    )
    assert read.faults == []
    assert [str(document.place) for document in read.documents] == [
        "line 1 of call.vtt",
        "item 1 (line 1) of chats.json",
        "line 2 of talks.csv",
        "line 1 of train.jsonl",
        "line 2 of train.jsonl",
    ]
    assert [document.content.get("text") for document in read.documents[3:]] == ["one", "two"]
    assert read.contents[2] == {"turns": [{"speaker": "Ada", "text": "Hi?"}, {"speaker": "Sol", "text": "Ho."}]}
    assert read.reading.layout == "transcripts, sharegpt, utterances, documents"


def test_a_bad_record_names_its_place_in_its_file() -> None:
    read = Read(zipped({"a/one.jsonl": json_lines({"text": "x"}, {"text": ""}), "a/two.jsonl": '{"text": "y"}\n{no\n'}))
    assert [(place, pointer) for place, pointer, _ in read.faults] == [
        ("line 2 of a/one.jsonl", "/text"),
        ("line 2 of a/two.jsonl", ""),
    ]


def test_a_file_that_is_at_fault_as_a_whole_is_named() -> None:
    read = Read(zipped({"a.parquet": b"PAR1 and no more", "b.jsonl": json_lines({"text": "x"})}))
    assert read.unreadable == "a.parquet: The Parquet file is cut off, or is none: it does not end with `PAR1`."


def test_json_that_is_a_transcript_is_one() -> None:
    whisper = {"text": "Hi. Ho.", "language": "en", "segments": [{"id": 0, "start": 0.0, "end": 1.5, "text": " Hi."}]}
    read = Read(zipped({"call.json": json.dumps(whisper), "set.json": json.dumps([{"text": "one"}, {"text": "two"}])}))
    assert [document.content.get("text") for document in read.documents] == [None, "one", "two"]
    assert read.reading.layout == "transcripts, documents"


def test_a_table_that_a_recognizer_writes_is_a_transcript() -> None:
    read = Read(
        zipped({"call.tsv": "start\tend\ttext\n0\t1500\tHi.\n1500\t2000\tHo.\n", "set.tsv": "id\ttext\na\tone\n"})
    )
    assert read.contents == [
        {"turns": [{"speaker": "unknown", "text": "Hi. Ho.", "start": 0.0, "end": 2.0}]},
        {"text": "one"},
    ]


def test_a_layout_that_is_named_holds_for_every_file() -> None:
    table = "speaker,text\nAda,Hi?\nSol,Ho.\n"
    read = Read(zipped({"mon.csv": table, "tue.csv": table, "wed.vtt": VTT}), layout="utterances")
    assert read.talks == 2 * [[("Ada", "Hi?"), ("Sol", "Ho.")]]
    assert "one file is passed over: `wed.vtt`" in read.reading.notes


def test_a_conversation_does_not_go_on_in_another_file() -> None:
    table = "Dialogue_ID,Speaker,Utterance\n0,Ada,Hi?\n"
    read = Read(zipped({"train.csv": table, "dev.csv": table}))
    assert read.talks == 2 * [[("Ada", "Hi?")]]
    note = "utterances are gathered within each file: no conversation goes on in another one"
    assert note in read.reading.notes


def test_a_table_that_was_cut_into_parts_is_one() -> None:
    rows = [f"x,Ada,{number}\n" for number in range(3)]
    files = {f"data/train-0000{n}-of-00003.csv": f"conversation_id,speaker,text\n{row}" for n, row in enumerate(rows)}
    read = Read(zipped(files | {"data/test-00000-of-00001.csv": "conversation_id,speaker,text\nx,Sol,9\n"}))
    assert read.talks == [[("Sol", "9")], [("Ada", "0"), ("Ada", "1"), ("Ada", "2")]]
    assert str(read.documents[1].place) == "line 2 of data/train-00000-of-00003.csv"


# ConvoKit


def corpus(folder: str = "") -> dict[str, str]:
    """The files of a small corpus, as the library writes them."""
    said = [("b", "a", "u2", "Two.", "a"), ("a", "a", "u1", "One.", None), ("c", "c", "u1", "Alone.", None)]
    rows = [
        {"id": i, "conversation_id": c, "text": t, "speaker": s, "meta": {"stars": 1}, "reply-to": r, "timestamp": None}
        for i, c, s, t, r in said
    ]
    told: dict[str, Any] = {
        "a": {"meta": {"title": "Boats", "year": 1999, "ok": True, "genres": ["sea"], "none": None}, "vectors": []},
        "c": {"title": "x" * 501},
        "gone": {"meta": {"title": "No words"}},
    }
    return {
        f"{folder}utterances.jsonl": json_lines(*rows),
        f"{folder}conversations.json": json.dumps(told),
        f"{folder}speakers.json": json.dumps({"u1": {"meta": {"name": "Ann"}, "vectors": []}}),
        f"{folder}corpus.json": "{}",
        f"{folder}index.json": '{"version": 1}',
        f"{folder}info.parsed.jsonl": "{}\n",
    }


@pytest.mark.parametrize("folder", ["", "movies/", "sets/movies/"])
def test_a_corpus_is_read_with_what_is_told_of_its_conversations(folder: str) -> None:
    read = Read(zipped(corpus(folder)))
    assert read.faults == []
    assert [(document.id, dict(document.labels)) for document in read.documents] == [
        ("a", {"title": "Boats", "year": "1999", "ok": "true"}),
        ("c", {}),
    ]
    assert read.talks == [[("u1", "One."), ("u2", "Two.")], [("u1", "Alone.")]]
    assert read.reading.layout == "convokit"
    assert read.reading.passed_over == {"meta.genres": 1, "meta.title": 1, "turns.meta.stars": 2}
    assert "of one conversation that the corpus describes there are no utterances" in read.reading.notes
    assert "of the corpus nothing is taken from `speakers.json`, `corpus.json`, `index.json`" in read.reading.notes
    assert f"one file is passed over: `{folder}info.parsed.jsonl`" in read.reading.notes


def test_several_corpora_and_files_beside_them_are_read() -> None:
    read = Read(zipped(corpus("one/") | corpus("two/") | {"talk.vtt": VTT}))
    assert [document.id for document in read.documents] == ["a", "c", "talk", "a", "c"]


def test_an_older_corpus_has_users_and_an_array_of_utterances() -> None:
    rows = [{"id": "a", "user": "u1", "root": "a", "reply-to": None, "timestamp": 1, "text": "One.", "meta": {}}]
    read = Read(zipped({"utterances.json": json.dumps(rows), "users.json": "{}", "conversations.json": "{}"}))
    assert (read.reading.layout, by_id(read)) == ("convokit", {"a": [("u1", "One.")]})


def test_what_is_wrong_in_a_corpus_names_the_file() -> None:
    files = corpus("movies/")
    broken = files | {"movies/conversations.json": '{"a": {"meta": {}}, "c": '}
    assert str(Read(zipped(broken)).unreadable).startswith("movies/conversations.json: line 1: the file breaks off")
    broken = files | {"movies/utterances.jsonl": files["movies/utterances.jsonl"] + '{"id": "d", "text": "x"}\n'}
    ((place, pointer, _),) = Read(zipped(broken)).faults
    assert (place, pointer) == ("line 4 of movies/utterances.jsonl", "/conversation_id")


# Slack


def export(folder: str = "") -> dict[str, str]:
    """The files of a small export."""
    ada, sol = {"display_name": "ada", "real_name": "Ada L."}, {"display_name": "", "real_name": "Sol M."}
    users = [{"id": "U1", "name": "al", "profile": ada}, {"id": "U2", "name": "sm", "profile": sol}]
    monday = [
        {
            "type": "message",
            "subtype": "channel_join",
            "user": "U2",
            "text": "<@U2> has joined",
            "ts": "1700000000.0001",
        },
        {"type": "message", "user": "U1", "text": "Morning, <@U2>", "ts": "1700000060.000100"},
    ]
    tuesday = [{"type": "message", "user": "U2", "text": "Hello", "ts": "1700086460.000100"}]
    return {
        f"{folder}users.json": json.dumps(users),
        f"{folder}channels.json": json.dumps([{"id": "C1", "name": "general"}]),
        f"{folder}integration_logs.json": "[]",
        f"{folder}general/2023-11-15.json": json.dumps(tuesday),
        f"{folder}general/2023-11-14.json": json.dumps(monday),
        f"{folder}random/2023-11-14.json": json.dumps(tuesday),
        f"{folder}quiet/2023-11-14.json": json.dumps(monday[:1]),
    }


@pytest.mark.parametrize("folder", ["", "Workspace export/"])
def test_a_channel_of_a_slack_export_is_a_conversation_of_all_its_days(folder: str) -> None:
    read = Read(zipped(export(folder)))
    assert by_id(read) == {
        "general": [("ada", "Morning, @Sol M."), ("Sol M.", "Hello")],
        "random": [("Sol M.", "Hello")],
    }
    assert read.contents[0]["turns"][1]["start"] == 86400.0
    assert read.reading.layout == "slack"
    left_out = f"2 files are passed over: `{folder}channels.json`, `{folder}integration_logs.json`"
    assert left_out in read.reading.notes
    assert read.documents[0].reading is not None
    assert dict(read.documents[0].reading.speakers) == {"ada": 1, "Sol M.": 1}


def test_a_slack_export_with_pseudonyms_names_nobody() -> None:
    read = Read(zipped(export()), names="pseudonyms")
    assert read.talks[0][1] == ("P2", "Hello")
    notes = [note for document in read.documents if document.reading for note in document.reading.notes]
    assert not any("ada" in note or "Sol" in note for note in [*notes, *read.reading.notes])


def test_a_channel_above_the_limit_is_refused_before_it_is_held() -> None:
    many = [{"type": "message", "user": "U1", "text": "x", "ts": f"170000006{number}.1"} for number in range(6)]
    read = Read(zipped(export() | {"general/2023-11-13.json": json.dumps(many)}), turns=1)
    assert read.faults[0] == (
        "item 5 (line 1) of general/2023-11-13.json",
        "",
        "the channel has more than 4 entries, far above the limit of a conversation",
    )
    long = [{"type": "message", "user": "U1", "text": "x" * 50, "ts": "1700000060.1"}]
    read = Read(zipped(export() | {"general/2023-11-13.json": json.dumps(long)}), document_characters=50)
    assert read.faults == [("item 1 of general/2023-11-13.json", "", "the document has 92 characters; the limit is 50")]


# Folders


def from_folder(folder: Path) -> Iterator[Record | Fault]:
    """Everything that a folder gives."""
    documents = FolderDocuments(folder, LIMITS, Notes())
    try:
        yield from documents.feed(b"")
        yield from documents.finish()
    finally:
        documents.close()


def test_a_folder_is_read_as_a_zip_of_it(tmp_path: Path) -> None:
    others = {"talk.vtt": VTT, "README.md": "x", "set/a.jsonl": '{"text": "one"}\n'}
    files = corpus("movies/") | export("slack/") | others
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    found = [(each.place, fields_of(each)) for each in from_folder(tmp_path) if isinstance(each, Record)]
    read = Read(zipped(files))
    assert [place for place, _ in found] == [document.place for document in read.documents]
    assert [content.get("id") for _, content in found] == ["a", "c", None, "general", "random", "talk"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "blob").write_text(VTT, encoding="utf-8")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "talk.vtt").symlink_to(tmp_path / "store" / "blob")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "gone.vtt").symlink_to(tmp_path / "nowhere")
    (found,) = from_folder(tmp_path / "set")
    assert isinstance(found, Record)
    assert found.place.file == "talk.vtt"
