"""Uploads: a data set is checked document by document as it arrives, and stored once the last one proved good.

`formats.datasets` finds the documents in the bytes. They wait in a temporary file, in the form that PostgreSQL copies
in. Nothing reaches the database before the whole upload is known to be good.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import IO, Any, NoReturn, Self

from formats.datasets.reader import DatasetReader
from formats.datasets.records import Fault, Limits
from formats.documents import DatasetReading, Document
from formats.errors import UnreadableFile
from models.queries.writing.datasets import DatasetDocument, copy_line, in_domain
from models.schemas.documents import characters_of
from models.schemas.problems import FieldError
from models.settings import Settings
from models.work import content_digest
from service.http.problems import BAD_DATASET, NO_DOCUMENTS, Problem
from service.http.validation import MOST_ERRORS

IN_MEMORY_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16
STEP_SECONDS = 0.2
"""About how long one call of `read_on` takes."""


@dataclass(slots=True)
class Upload:
    """One data set while it is uploaded. Use it as a context manager, which removes the temporary file."""

    settings: Settings
    tenant_id: str
    dataset_id: str
    domain: str | None = None
    documents: int = 0
    length: int = 0
    _reader: DatasetReader | None = None
    _rest: Iterator[Document | Fault] | None = None
    _faults: list[Fault] = field(default_factory=list)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _spool: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.close()
        self._spool.close()

    @property
    def sha256(self) -> str:
        """The digest of the file's bytes as they came."""
        return self._digest.hexdigest()

    @property
    def begun(self) -> bool:
        """Whether it is known how the file is read."""
        return self._reader is not None

    @property
    def unpacks(self) -> bool:
        """Whether `read_on` takes much memory and time, so that few uploads should do it at once."""
        return self._reader is not None and self._reader.unpacks

    @property
    def reading(self) -> DatasetReading:
        """What the data set was taken for, after the last of it was read."""
        assert self._reader is not None
        return self._reader.reading

    # The bytes

    def begin(self, container: str, options: Mapping[str, Any]) -> None:
        """Read the bytes that follow as `DatasetReader` does with this container and these options."""
        self._reader = DatasetReader(limits_of(self.settings), container=container, **options)

    def absorb(self, data: bytes) -> None:
        """Read the next bytes. Raises a `Problem` when nothing that follows could help."""
        assert self._reader is not None
        self._digest.update(data)
        self.length += len(data)
        self._take(self._reader.feed(data))

    def read_on(self) -> bool:
        """After the last byte: some of what is left to read; False once everything proved good. Raises a `Problem`."""
        assert self._reader is not None
        if self._rest is None:
            self._rest = self._reader.finish()
        if self._take(self._rest, STEP_SECONDS):
            return True
        if self._faults:
            self._refuse_faults()
        if not self.documents:
            raise Problem(NO_DOCUMENTS, "The data set has no documents.")
        return False

    def blocks(self) -> Iterator[bytes]:
        """The documents as `COPY` takes them, in `domain` where they name none; may be read more than once."""
        self._spool.seek(0)
        if self.domain is None:
            while block := self._spool.read(BLOCK_BYTES):
                yield block
        else:
            while lines := self._spool.readlines(BLOCK_BYTES):
                yield b"".join(in_domain(line, self.domain) for line in lines)

    # What the reader finds

    def _take(self, found: Iterator[Document | Fault], seconds: float | None = None) -> bool:
        """Keep what the reader gives, for so long; whether there may be more. Raises a `Problem`."""
        until = None if seconds is None else time.monotonic() + seconds
        try:
            for each in found:
                if isinstance(each, Fault):
                    self._note(each)
                elif not self._faults:
                    self._keep(each)
                if until is not None and time.monotonic() > until:
                    return True
        except UnreadableFile as error:
            message = str(error)
            raise Problem(BAD_DATASET, message, errors=[FieldError(pointer="", message=message)]) from None
        return False

    def _note(self, fault: Fault) -> None:
        """Keep a fault. Raises the `Problem` when it is the last that is told, or the last that can be found."""
        self._faults.append(fault)
        if fault.last or len(self._faults) >= MOST_ERRORS:
            self._refuse_faults()

    def _keep(self, document: Document) -> None:
        content = dict(document.content)
        row = DatasetDocument(
            position=self.documents,
            external_id=document.id,
            domain=document.domain,
            labels=json.dumps(dict(document.labels), ensure_ascii=False),
            cluster=document.cluster,
            content=json.dumps(content, ensure_ascii=False),
            content_sha256=content_digest(content),
            characters=characters_of(content),
            reading=None if document.reading is None else json.dumps(asdict(document.reading), ensure_ascii=False),
        )
        self._spool.write(copy_line(self.tenant_id, self.dataset_id, row))
        self.documents += 1

    def _refuse_faults(self) -> NoReturn:
        errors = [
            FieldError(
                pointer=fault.pointer,
                message=f"{fault.place}: {fault.message}",
                line=fault.place.number if fault.place.line is None else fault.place.line,
            )
            for fault in self._faults
        ]
        bad = f"{self._faults[0].place.counts}s"
        more = f"At least {len(errors)} {bad} are bad." if len(errors) >= MOST_ERRORS else f"Bad {bad}: {len(errors)}."
        place = f" at {errors[0].pointer}" if errors[0].pointer else ""
        raise Problem(BAD_DATASET, f"{errors[0].message}{place}. {more}", errors=errors)


def limits_of(settings: Settings) -> Limits:
    """How much of a data set the service takes."""
    return Limits(
        record_bytes=settings.max_body_bytes,
        documents_bytes=settings.max_upload_bytes,
        unpack_memory_bytes=settings.unpack_memory_bytes,
        document_characters=settings.max_document_characters,
        turns=settings.max_turns,
    )
