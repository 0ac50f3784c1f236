"""CSV (RFC 4180), read as it arrives: a header names the columns, each row is a document.

Memory stays bounded by one piece of the body and one row. Where a row ends is known before it is parsed: at the end of
a line that an even number of quotation marks precedes.
"""

import csv
import sys
from typing import TYPE_CHECKING, ClassVar

from service.http.bodies import BYTE_ORDER_MARK
from service.uploads.readers.columns import CellError, Columns

if TYPE_CHECKING:
    from service.uploads.upload import Upload

csv.field_size_limit(sys.maxsize)  # the module's own limit on a cell, for all of a process; a whole row has one here


class CsvRows:
    """Gives an upload row after row, each by the number of the line it begins at; empty lines are passed over."""

    unpacks: ClassVar[bool] = False

    def __init__(self, upload: "Upload") -> None:
        self._upload = upload
        self._columns: Columns | None = None
        self._number = 0
        self._rest = b""
        self._row = bytearray()
        self._begins = 0
        self._marks = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises a `Problem` for a bad header, or a row that does not end within the limit."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line + b"\n")
        if len(self._row) + len(self._rest) > self._upload.settings.max_body_bytes:
            self._upload.too_long(self._begins if self._row else self._number + 1, len(self._row) + len(self._rest))
            self._upload.refuse()

    def read_on(self) -> bool:
        """Take the last row, which needs no line end."""
        self._take(self._rest)
        if self._row:
            self._upload.fault(self._begins, "", "a quotation mark opens a cell here that is never closed")
        return False

    def close(self) -> None:
        """There is nothing to let go of."""

    def _take(self, line: bytes) -> None:
        self._number += 1
        if self._number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not self._row:
            self._begins, self._marks = self._number, 0
        self._row += line
        self._marks += line.count(b'"')
        if self._marks % 2 == 0:
            row = bytes(self._row)
            self._row.clear()
            self._read(row)
        elif len(self._row) > self._upload.settings.max_body_bytes:
            self._upload.too_long(self._begins, len(self._row))
            self._upload.refuse()

    def _read(self, row: bytes) -> None:
        if not row.strip():
            return
        if len(row) > self._upload.settings.max_body_bytes:
            self._upload.too_long(self._begins, len(row))
            return
        try:
            (cells,) = csv.reader([row.decode()], strict=True)
            if self._columns is None:
                self._columns = Columns([name.strip() for name in cells])
            else:
                self._upload.take_fields(self._begins, self._columns.record(cells))
        except UnicodeDecodeError:
            self._refuse_row("", "it is not UTF-8")
        except csv.Error:
            self._refuse_row("", "its quotation marks do not match; a cell that has one stands in them and doubles it")
        except CellError as error:
            self._refuse_row(error.pointer, str(error))
        except ValueError as error:
            self._refuse_row("", str(error))

    def _refuse_row(self, pointer: str, message: str) -> None:
        self._upload.fault(self._begins, pointer, message)
        if self._columns is None:
            self._upload.refuse()
