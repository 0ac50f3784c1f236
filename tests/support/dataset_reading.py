"""Reading a data set from bytes in pieces: its documents and what it was taken for, or what is wrong with it."""

from dataclasses import replace
from typing import Any

from formats.datasets.reader import DatasetReader
from formats.datasets.records import Fault, Limits
from formats.documents import Document
from formats.errors import UnreadableFile

JSON, CSV, TSV, PARQUET = "json", "csv", "tsv", "parquet"
LIMITS = Limits(
    record_bytes=8 << 20,
    documents_bytes=2 << 30,
    unpack_memory_bytes=1 << 30,
    document_characters=2_000_000,
    turns=10_000,
)


class Read:
    """Everything that one file gives. `piece` is how many bytes arrive at once; `limits` are fields of `Limits`."""

    def __init__(
        self,
        body: bytes,
        container: str = "",
        *,
        piece: int = 1 << 20,
        layout: str = "auto",
        names: Any = "keep",
        branches: str = "preferred",
        **limits: int,
    ) -> None:
        self.documents: list[Document] = []
        self.faults: list[tuple[str, str, str]] = []
        self.unreadable: str | None = None
        reader = DatasetReader(
            replace(LIMITS, **limits), layout=layout, container=container, names=names, branches=branches
        )
        try:
            for start in range(0, len(body), piece):
                self._take(reader.feed(body[start : start + piece]))
            self._take(reader.finish())
        except UnreadableFile as error:
            self.unreadable = str(error)
        finally:
            self.reading = reader.reading
            reader.close()

    def _take(self, found: Any) -> None:
        for each in found:
            if isinstance(each, Fault):
                self.faults.append((str(each.place), each.pointer, each.message))
            else:
                self.documents.append(each)

    @property
    def contents(self) -> list[Any]:
        """The content of every document."""
        return [document.content for document in self.documents]

    @property
    def texts(self) -> list[str]:
        """The texts of documents that are texts."""
        return [content["text"] for content in self.contents]

    @property
    def talks(self) -> list[list[tuple[str, str | None]]]:
        """Who says what in each document of turns or messages."""
        return [
            [
                (entry["speaker"], entry["text"]) if "speaker" in entry else (entry["role"], entry["content"])
                for entry in content.get("turns") or content["messages"]
            ]
            for content in self.contents
        ]

    @property
    def described(self) -> list[dict[str, Any]]:
        """Of each document everything but where it stood, without what it does not have."""
        found = []
        for document in self.documents:
            said = {
                "id": document.id,
                "domain": document.domain,
                "labels": document.labels,
                "cluster": document.cluster,
            }
            found.append({name: value for name, value in said.items() if value} | {"content": document.content})
        return found
