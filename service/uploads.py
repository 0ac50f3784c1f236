"""Uploads: a data set read line by line as it arrives, checked, and kept aside until the last line proved good.

Memory stays bounded by one piece of the body and one line; what was read waits in a temporary file in the form that
PostgreSQL copies in. Nothing reaches the database before the whole upload is known to be good.
"""

import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

from pydantic import ValidationError

from models.queries.datasets import DatasetDocument, copy_line
from models.schemas.documents import DatasetLine, characters_of, turns_of
from models.schemas.problems import FieldError
from models.settings import Settings
from models.work import content_digest
from service.bodies import BYTE_ORDER_MARK, refuse_large_body
from service.errors import field_errors
from service.problems import BAD_DATASET, NO_DOCUMENTS, Problem

MOST_ERRORS = 20
MOST_NAMES = 100
MOST_NAME_CHARACTERS = 100
OTHER_NAMES = "(others)"
IN_MEMORY_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16


@dataclass(slots=True)
class Upload:
    """One data set on its way in. Use it as a context manager, which removes the temporary file."""

    settings: Settings
    tenant_id: str
    dataset_id: str
    domain: str | None
    documents: int = 0
    length: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    _line: int = 0
    _rest: bytes = b""
    _errors: list[FieldError] = field(default_factory=list)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _spool: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def sha256(self) -> str:
        """The digest of the bytes as they came."""
        return self._digest.hexdigest()

    async def read(self, pieces: AsyncIterator[bytes]) -> None:
        """Read everything. Raises a `Problem` for a body that is too large, has bad lines or no documents."""
        gathered = bytearray()
        async for piece in pieces:
            self.length += len(piece)
            refuse_large_body(self.length, self.settings.max_upload_bytes, at_least=True)
            gathered += piece
            if len(gathered) >= IN_MEMORY_BYTES:
                await asyncio.to_thread(self._absorb, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(self._absorb, bytes(gathered), last=True)
        if self._errors:
            self._refuse()
        if not self.documents:
            raise Problem(NO_DOCUMENTS, "The data set has no documents: send one JSON object a line.")

    def blocks(self) -> Iterator[bytes]:
        """The documents as `COPY` takes them; may be asked for again."""
        self._spool.seek(0)
        while block := self._spool.read(BLOCK_BYTES):
            yield block

    def _absorb(self, data: bytes, *, last: bool = False) -> None:
        self._digest.update(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if last:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line)
        if len(self._rest) > self.settings.max_body_bytes:
            self._line += 1
            self._too_long(len(self._rest))
            self._refuse()

    def _take(self, line: bytes) -> None:
        self._line += 1
        if self._line == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line.strip():
            return
        if len(line) > self.settings.max_body_bytes:
            self._too_long(len(line))
            return
        try:
            sent = DatasetLine.model_validate_json(line)
        except ValidationError as error:
            first = field_errors(error.errors(include_url=False, include_context=False, include_input=False))[0]
            self._note(first.pointer, first.message)
            return
        self._keep(sent)

    def _keep(self, sent: DatasetLine) -> None:
        content = sent.content()
        characters, turns = characters_of(content), turns_of(content)
        if characters > self.settings.max_document_characters:
            limit = self.settings.max_document_characters
            self._note("", f"the document has {characters} characters; the limit is {limit}")
        elif turns > self.settings.max_turns:
            self._note("", f"the document has {turns} turns; the limit is {self.settings.max_turns}")
        elif not self._errors:
            row = DatasetDocument(
                position=self.documents,
                external_id=sent.id,
                domain=sent.domain if sent.domain is not None else self.domain,
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

    def _too_long(self, length: int) -> None:
        limit = self.settings.max_body_bytes
        self._note("", f"the line has at least {length} bytes; the limit is {limit}")

    def _note(self, pointer: str, message: str) -> None:
        self._errors.append(FieldError(pointer=pointer, message=f"line {self._line}: {message}", line=self._line))
        if len(self._errors) >= MOST_ERRORS:
            self._refuse()

    def _refuse(self) -> None:
        count = len(self._errors)
        first = self._errors[0]
        more = f" At least {count} lines are bad." if count >= MOST_ERRORS else f" Bad lines: {count}."
        raise Problem(
            BAD_DATASET, f"{first.message}{' at ' + first.pointer if first.pointer else ''}.{more}", errors=self._errors
        )
