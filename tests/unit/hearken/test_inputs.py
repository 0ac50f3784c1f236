"""What a command makes of a file that a person names: one document for an analysis, or a data set to be uploaded."""

import json
import zipfile
from pathlib import Path

import pytest

from formats.errors import BadTranscript, FormatError
from hearken.cli.inputs import ReadingOptions, as_upload, one_document, speakers_of
from hearken.errors import StartRefused

CAPTIONS = "1\n00:00:01,000 --> 00:00:02,000\nAna: Is it late?\n\n2\n00:00:03,000 --> 00:00:04,000\nBo: No.\n"
PROSE = "It was late, and the harbour lay still.\nNobody came.\n"


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_transcript_is_sent_as_it_is_with_its_format_and_who_speaks(tmp_path: Path) -> None:
    path = written(tmp_path, "talk.txt", CAPTIONS)
    options = ReadingOptions(speakers=["Ana", "Bo"], names="pseudonyms")
    assert one_document(path, options) == {
        "transcript": {"format": "srt", "content": CAPTIONS, "names": "pseudonyms", "speakers": ["Ana", "Bo"]}
    }


def test_what_is_neither_a_transcript_nor_a_data_set_is_a_text(tmp_path: Path) -> None:
    assert one_document(written(tmp_path, "story.txt", PROSE), ReadingOptions()) == {"text": PROSE}
    captions = written(tmp_path, "talk.srt", CAPTIONS)
    assert one_document(captions, ReadingOptions(format="text")) == {"text": CAPTIONS}


def test_one_conversation_as_json_is_that_document_and_several_are_a_data_set(tmp_path: Path) -> None:
    turns = [{"speaker": "Ana", "text": "Yes.", "start": 1.5}, {"speaker": "Bo", "text": "No."}]
    one = written(tmp_path, "one.json", json.dumps({"turns": turns}, indent=2))
    assert one_document(one, ReadingOptions()) == {"turns": turns}
    several = written(tmp_path, "several.jsonl", json.dumps({"turns": turns}) + "\n" + json.dumps({"text": "Yes."}))
    assert one_document(several, ReadingOptions()) is None


def test_a_fault_is_told_and_not_taken_for_a_text(tmp_path: Path) -> None:
    with pytest.raises(BadTranscript, match="line 2"):
        one_document(written(tmp_path, "talk.txt", "Ana: yes\nnobody"), ReadingOptions(format="lines"))
    with pytest.raises(FormatError, match="none was given"):
        one_document(written(tmp_path, "bad.json", '{"id": "a", "texts": "b"}'), ReadingOptions())
    with pytest.raises(StartRefused, match="no such file"):
        one_document(tmp_path / "absent.txt", ReadingOptions())
    with pytest.raises(StartRefused, match="`vtt` is no transcript format"):
        one_document(written(tmp_path, "talk.vtt", CAPTIONS), ReadingOptions(format="vtt"))


def test_speakers_are_names_or_a_table_of_aliases() -> None:
    assert speakers_of(None) is None
    assert speakers_of(["Ana", "Bo"]) == ["Ana", "Bo"]
    assert speakers_of(["Spk1=Ana", "Note="]) == {"Spk1": "Ana", "Note": None}
    with pytest.raises(StartRefused, match="one of the two forms"):
        speakers_of(["Ana", "Spk1=Bo"])


def test_transcripts_and_folders_are_uploaded_as_a_zip_and_data_sets_as_they_are(tmp_path: Path) -> None:
    talks = tmp_path / "talks"
    (talks / "more").mkdir(parents=True)
    first = written(talks, "first.srt", CAPTIONS)
    written(talks / "more", "second.srt", CAPTIONS)
    table = written(tmp_path, "table.csv", "text\nYes.\n")
    with as_upload(table) as path:
        assert path == table
    with as_upload(talks) as path, zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["first.srt", "more/second.srt"]
    with as_upload(first) as path, zipfile.ZipFile(path) as archive:
        assert archive.read("first.srt").decode() == CAPTIONS
    assert not path.exists()


def test_several_documents_on_stdin_are_refused_with_the_remedy() -> None:
    with pytest.raises(StartRefused, match="give the path"), as_upload(Path("-")):
        pass
