"""Uploads: a data set checked document by document as it arrives, and kept aside until the last one proved good.

A reader finds the documents in the bytes (`readers`). What was checked waits in a temporary file, in the form
that PostgreSQL copies in. Nothing reaches the database before the whole upload is known to be good.
"""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, NoReturn, Self

from pydantic import ValidationError

from models.queries.writing.datasets import DatasetDocument, copy_line, in_domain
from models.schemas.documents import DatasetLine, characters_of, turns_of
from models.schemas.problems import FieldError
from models.settings import Settings
from models.work import content_digest
from service.exception_handlers import field_errors
from service.http.problems import BAD_DATASET, NO_DOCUMENTS, Problem
from service.uploads.readers.formats import Reader, ReaderOf

MOST_ERRORS = 20
MOST_NAMES = 100
MOST_NAME_CHARACTERS = 100
OTHER_NAMES = "(others)"
IN_MEMORY_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16


@dataclass(slots=True)
class Upload:
    """One data set on its way in. Use it as a context manager, which removes what is kept aside.

    `counted` says what the numbers of faults count: lines of a text, or rows.
    """

    settings: Settings
    tenant_id: str
    dataset_id: str
    domain: str | None = None
    counted: str = "line"
    documents: int = 0
    length: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    _reader: Reader | None = None
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
    def unpacks(self) -> bool:
        """Whether reading on takes memory and time of its own, so that not all should do it at once."""
        return self._reader is not None and self._reader.unpacks

    # The bytes

    def begin(self, reader_of: ReaderOf) -> None:
        """Have what follows read by such a reader."""
        self._reader = reader_of(self)

    def absorb(self, data: bytes) -> None:
        """Read the next bytes. Raises a `Problem` when nothing that follows could help."""
        assert self._reader is not None
        self._digest.update(data)
        self.length += len(data)
        self._reader.feed(data)

    def read_on(self) -> bool:
        """After the last byte: some of what is left to read; False once everything proved good. Raises a `Problem`."""
        assert self._reader is not None
        if self._reader.read_on():
            return True
        if self._errors:
            self._refuse_errors()
        if not self.documents:
            raise Problem(NO_DOCUMENTS, "The data set has no documents.")
        return False

    def blocks(self) -> Iterator[bytes]:
        """The documents as `COPY` takes them, in `domain` where they name none; may be asked for again."""
        self._spool.seek(0)
        if self.domain is None:
            while block := self._spool.read(BLOCK_BYTES):
                yield block
        else:
            while lines := self._spool.readlines(BLOCK_BYTES):
                yield b"".join(in_domain(line, self.domain) for line in lines)

    # What readers find

    def take_json(self, number: int, line: bytes) -> None:
        """Check a document that is JSON, and keep it."""
        self._take(number, DatasetLine.model_validate_json, line)

    def take_fields(self, number: int, fields: Mapping[str, Any]) -> None:
        """Check a document that was read already, and keep it."""
        self._take(number, DatasetLine.model_validate, fields)

    def too_long(self, number: int, length: int) -> None:
        """Note a line or row that has at least so many bytes."""
        limit = self.settings.max_body_bytes
        self.fault(number, "", f"the {self.counted} has at least {length} bytes; the limit is {limit}")

    def fault(self, number: int, pointer: str, message: str) -> None:
        """Note a fault of one line or row. Raises the `Problem` when it is the last that is told."""
        told = f"{self.counted} {number}: {message}"
        self._errors.append(FieldError(pointer=pointer, message=told, line=number))
        if len(self._errors) >= MOST_ERRORS:
            self._refuse_errors()

    def refuse(self, message: str | None = None) -> NoReturn:
        """Raise the `Problem` of a file that is at fault as a whole, or else of the faults that were noted."""
        if message is None:
            self._refuse_errors()
        raise Problem(BAD_DATASET, message, errors=[FieldError(pointer="", message=message)])

    def _take(self, number: int, check: Callable[[Any], DatasetLine], sent: Any) -> None:
        try:
            line = check(sent)
        except ValidationError as error:
            first = field_errors(error.errors(include_url=False, include_context=False, include_input=False))[0]
            self.fault(number, first.pointer, first.message)
        else:
            self._keep(number, line)

    def _keep(self, number: int, sent: DatasetLine) -> None:
        content = sent.content()
        characters, turns = characters_of(content), turns_of(content)
        if characters > self.settings.max_document_characters:
            limit = self.settings.max_document_characters
            self.fault(number, "", f"the document has {characters} characters; the limit is {limit}")
        elif turns > self.settings.max_turns:
            self.fault(number, "", f"the document has {turns} turns; the limit is {self.settings.max_turns}")
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
        """Count fields by name; names are a client's own words, so they are cut to size and only so many are kept."""
        for name in names:
            kept = name.replace("\x00", "?")[:MOST_NAME_CHARACTERS]
            if kept in self.passed_over or len(self.passed_over) < MOST_NAMES:
                self.passed_over[kept] += 1
            else:
                self.passed_over[OTHER_NAMES] += 1

    def _refuse_errors(self) -> NoReturn:
        count = len(self._errors)
        first = self._errors[0]
        bad = f"{self.counted}s"
        more = f"At least {count} {bad} are bad." if count >= MOST_ERRORS else f"Bad {bad}: {count}."
        place = f" at {first.pointer}" if first.pointer else ""
        raise Problem(BAD_DATASET, f"{first.message}{place}. {more}", errors=self._errors)
