"""Uploads: a data set is checked document by document as it arrives, and stored once the last one proved good.

A reader (see `readers`) finds the documents in the bytes. What was checked waits in a temporary file, in the form
that PostgreSQL copies in. Nothing reaches the database before the whole upload is known to be good.
"""

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, NoReturn, Self

from pydantic import ValidationError

from models.queries.writing.datasets import DatasetDocument, copy_line, in_domain
from models.schemas.documents import DatasetLine, characters_of, turns_of
from models.schemas.problems import FieldError
from models.settings import Settings
from models.work import content_digest
from service.http.problems import BAD_DATASET, NO_DOCUMENTS, Problem
from service.http.validation import MOST_ERRORS, field_errors
from service.uploads.readers.reader import Fault, Found, Limits, Reader, ReaderOf, Record, UnreadableFileError

MOST_NAMES = 100
MOST_NAME_CHARACTERS = 100
OTHER_NAMES = "(others)"
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
    passed_over: Counter[str] = field(default_factory=Counter)
    _reader: Reader | None = None
    _rest: Found | None = None
    _errors: list[FieldError] = field(default_factory=list)
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
    def _counts(self) -> str:
        assert self._reader is not None
        return self._reader.counts

    # The bytes

    def begin(self, reader_of: ReaderOf) -> None:
        """Read the bytes that follow by such a reader."""
        limits = Limits(self.settings.max_body_bytes, self.settings.max_upload_bytes, self.settings.unpack_memory_bytes)
        self._reader = reader_of(limits)

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
        if self._errors:
            self._refuse_errors()
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

    def _take(self, found: Found, seconds: float | None = None) -> bool:
        """Check and keep what the reader gives, for so long; whether there may be more. Raises a `Problem`."""
        until = None if seconds is None else time.monotonic() + seconds
        try:
            for each in found:
                if isinstance(each, Fault):
                    self._note(each)
                else:
                    self._check(each)
                if until is not None and time.monotonic() > until:
                    return True
        except UnreadableFileError as error:
            message = str(error)
            raise Problem(BAD_DATASET, message, errors=[FieldError(pointer="", message=message)]) from None
        return False

    def _note(self, fault: Fault) -> None:
        """Keep a fault. Raises the `Problem` when it is the last that is told, or the last that can be found."""
        told = f"{self._counts} {fault.number}: {fault.message}"
        self._errors.append(FieldError(pointer=fault.pointer, message=told, line=fault.number))
        if fault.last or len(self._errors) >= MOST_ERRORS:
            self._refuse_errors()

    def _check(self, record: Record) -> None:
        try:
            if isinstance(record.content, bytes):
                line = DatasetLine.model_validate_json(record.content)
            else:
                line = DatasetLine.model_validate(record.content)
        except ValidationError as error:
            first = field_errors(error.errors(include_url=False, include_context=False, include_input=False))[0]
            self._note(Fault(record.number, first.pointer, first.message))
        else:
            self._keep(record.number, line)

    def _keep(self, number: int, sent: DatasetLine) -> None:
        content = sent.content()
        characters, turns = characters_of(content), turns_of(content)
        if characters > self.settings.max_document_characters:
            limit = self.settings.max_document_characters
            self._note(Fault(number, "", f"the document has {characters} characters; the limit is {limit}"))
        elif turns > self.settings.max_turns:
            self._note(Fault(number, "", f"the document has {turns} turns; the limit is {self.settings.max_turns}"))
        elif not self._errors:
            row = DatasetDocument(
                position=self.documents,
                external_id=sent.id,
                domain=sent.domain,
                labels=json.dumps(sent.labels or {}, ensure_ascii=False),
                cluster=sent.cluster,
                content=json.dumps(content, ensure_ascii=False),
                content_sha256=content_digest(content),
                characters=characters,
            )
            self._spool.write(copy_line(self.tenant_id, self.dataset_id, row))
            self._count_passed_over(sent.passed_over())
            self.documents += 1

    def _count_passed_over(self, names: Iterable[str]) -> None:
        """Count fields by name; a client chooses the names, so their length and number are limited."""
        for name in names:
            kept = name.replace("\x00", "?")[:MOST_NAME_CHARACTERS]
            if kept in self.passed_over or len(self.passed_over) < MOST_NAMES:
                self.passed_over[kept] += 1
            else:
                self.passed_over[OTHER_NAMES] += 1

    def _refuse_errors(self) -> NoReturn:
        count = len(self._errors)
        first = self._errors[0]
        bad = f"{self._counts}s"
        more = f"At least {count} {bad} are bad." if count >= MOST_ERRORS else f"Bad {bad}: {count}."
        place = f" at {first.pointer}" if first.pointer else ""
        raise Problem(BAD_DATASET, f"{first.message}{place}. {more}", errors=self._errors)
