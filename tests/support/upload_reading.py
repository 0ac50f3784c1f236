"""Reading a data set as the service does, without a database: what an upload found in some bytes."""

import json
from typing import Any

from models.settings import Settings
from service.http.problems import Problem
from service.uploads.readers.formats import reader_of
from service.uploads.upload import Upload

CSV, PARQUET, JSON_LINES = "text/csv", "application/vnd.apache.parquet", "application/x-ndjson"
FIELDS = ("external_id", "domain", "labels", "cluster", "content")


class Read:
    """The documents, or the problem, of one upload."""

    def __init__(self, body: bytes, media_type: str, *, piece: int = 1 << 20, **settings: int) -> None:
        self.documents: list[dict[str, Any]] = []
        self.passed_over: dict[str, int] = {}
        self.problem: Problem | None = None
        reader = reader_of(media_type)
        assert reader is not None
        try:
            with Upload(Settings(_env_file=None, **settings), "north", "ds_1") as upload:  # type: ignore[call-arg, arg-type]
                upload.begin(reader)
                for start in range(0, len(body), piece):
                    upload.absorb(body[start : start + piece])
                while upload.read_on():
                    pass
                self.sha256, self.length = upload.sha256, upload.length
                self.documents = [_document(line) for line in b"".join(upload.blocks()).splitlines()]
                self.passed_over = dict(upload.passed_over)
        except Problem as problem:
            self.problem = problem

    @property
    def faults(self) -> list[tuple[int | None, str, str]]:
        """(line, pointer, message) of every fault."""
        return [(error.line, error.pointer, error.message) for error in self.problem.errors] if self.problem else []


def _document(line: bytes) -> dict[str, Any]:
    """A line of COPY as what it says; null where nothing is given."""
    cells = [None if cell == "\\N" else _plain(cell) for cell in line.decode().split("\t")]
    _, _, _, _, external_id, domain, labels, cluster, content, _, _ = cells
    assert labels is not None
    assert content is not None
    return dict(zip(FIELDS, (external_id, domain, json.loads(labels), cluster, json.loads(content)), strict=True))


def _plain(cell: str) -> str:
    for written, meant in (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t")):
        cell = cell.replace("\\\\", "\x00").replace(written, meant).replace("\x00", "\\\\")
    return cell.replace("\\\\", "\\")
