"""A data set is read one document after another from a path, a folder, an open file or bytes, and says what it was."""

import io
import json
import zipfile
from itertools import islice
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet

from formats.datasets.read import LIMITS, read_dataset
from formats.documents import DatasetReading, Place
from formats.errors import UnreadableFile

LINES = "".join(json.dumps({"id": f"d{number}", "text": f"text {number}"}) + "\n" for number in range(5_000))


def test_a_path_an_open_file_and_bytes_give_the_same_documents(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(LINES)
    for source in (path, str(path), LINES.encode(), io.BytesIO(LINES.encode())):
        documents = list(read_dataset(source))
        assert [document.id for document in documents] == [f"d{number}" for number in range(5_000)]
        assert documents[-1].place == Place(5_000)
    with path.open("rb") as file:
        assert sum(1 for _ in read_dataset(file)) == 5_000


def test_what_was_read_is_told_after_the_last_document() -> None:
    opened = read_dataset(b"id;text;mood\n1;a;calm\n2;b;calm\n;;\n", file_name="talks.csv")
    assert [document.content for document in islice(opened, 1)] == [{"text": "a"}]
    assert [document.content for document in opened] == [{"text": "b"}]
    assert opened.reading == DatasetReading(
        container="csv",
        layout="documents",
        encoding="utf-8",
        documents=2,
        turns=0,
        passed_over={"mood": 2},
        notes=("cells are separated by semicolons", "1 empty row is passed over"),
    )


def test_the_first_fault_ends_it_with_its_place() -> None:
    opened = read_dataset(b'[{"text": "a"},\n{"text": " "},\n{"text": "c"}]')
    assert next(opened).content == {"text": "a"}
    with pytest.raises(UnreadableFile, match=r"item 2 \(line 2\): nothing is said here.* at /text$"):
        next(opened)


def test_a_type_that_is_none_of_a_data_set_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="image/png"):
        read_dataset(b"", media_type="image/png")


def test_a_folder_is_read_as_a_zip_of_it(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "monday.txt").write_text("Mira: Shall we begin?\nBo: Yes.\n")
    (tmp_path / "more" / "tuesday.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nIfy: Late again?\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (tmp_path / "monday.txt", tmp_path / "more" / "tuesday.srt"):
            archive.write(path, path.relative_to(tmp_path))
    folder, zipped = read_dataset(tmp_path), read_dataset(packed.getvalue())
    assert [document.content for document in folder] == [document.content for document in zipped]
    assert (folder.reading.container, zipped.reading.container) == ("folder", "zip")
    assert folder.reading.layout == zipped.reading.layout == "transcripts"
    assert (folder.reading.documents, folder.reading.turns) == (2, 3)


def test_names_that_must_not_be_kept_stand_nowhere_in_what_is_read() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Mira.txt", "Mira: Shall we begin?\nTomas Reyes: Yes.\nMira: Good.\n")
    opened = read_dataset(packed.getvalue(), names="pseudonyms")
    (document,) = opened
    assert [turn["speaker"] for turn in document.content["turns"]] == ["P1", "P2", "P1"]
    assert document.reading is not None
    assert document.reading.speakers == {"P1": 2, "P2": 1}
    kept = repr((document.id, document.content, document.reading, opened.reading))
    assert "Mira" not in kept
    assert "Reyes" not in kept


@pytest.mark.parametrize("way", ["closed", "left by its block", "at its end"])
def test_nothing_runs_on_after_a_table_was_unpacked(way: str) -> None:
    file = io.BytesIO()
    parquet.write_table(pa.table({"text": [f"text {number} " + "a" * 500 for number in range(20_000)]}), file)
    before = set(psutil.Process().children())
    opened = read_dataset(file.getvalue())
    assert next(opened).content["text"].startswith("text 0 ")
    assert set(psutil.Process().children()) > before
    if way == "closed":
        opened.close()
    elif way == "at its end":
        assert sum(1 for _ in opened) == 19_999
    else:
        with opened:
            next(opened)
    assert set(psutil.Process().children()) == before


def test_the_limits_are_those_that_a_service_has_unless_it_is_told_others() -> None:
    assert (LIMITS.record_bytes, LIMITS.document_characters, LIMITS.turns) == (8 << 20, 2_000_000, 10_000)
