"""CSV (RFC 4180), read as it arrives: a header names the columns, each row is a document.

Memory stays bounded by one piece of the body and one row. Where a row ends is known before it is parsed: at the end of
a line that an even number of quotation marks precedes.
"""

import csv
import sys
from codecs import BOM_UTF8
from typing import ClassVar, Literal

from service.uploads.readers.columns import CellError, Columns
from service.uploads.readers.reader import Fault, Found, Limits, Record, too_long

csv.field_size_limit(sys.maxsize)  # the module's own limit on a cell, for all of a process; a whole row has one here


class CsvRows:
    """Gives row after row, each by the number of the line it begins at; empty lines are passed over."""

    unpacks: ClassVar[bool] = False
    counts: ClassVar[Literal["line", "row"]] = "line"

    def __init__(self, limits: Limits) -> None:
        self._most_bytes = limits.record_bytes
        self._columns: Columns | None = None
        self._number = 0
        self._rest = b""
        self._row = bytearray()
        self._begins = 0
        self._marks = 0

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. A bad header, or a row that does not end within the limit, is the last fault."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._take(line + b"\n")
        length = len(self._row) + len(self._rest)
        if length > self._most_bytes:
            begins = self._begins if self._row else self._number + 1
            yield too_long(begins, self.counts, length, self._most_bytes, last=True)

    def finish(self) -> Found:
        """Read the last row, which needs no line end."""
        yield from self._take(self._rest)
        if self._row:
            yield Fault(self._begins, "", "a quotation mark opens a cell here that is never closed")

    def close(self) -> None:
        """Nothing has to be closed."""

    def _take(self, line: bytes) -> Found:
        """Add a line to the row that it belongs to, and read the row where it ends here."""
        self._number += 1
        if self._number == 1:
            line = line.removeprefix(BOM_UTF8)
        if not self._row:
            self._begins, self._marks = self._number, 0
        self._row += line
        self._marks += line.count(b'"')
        if self._marks % 2 == 0:
            row = bytes(self._row)
            self._row.clear()
            yield from self._read(row)
        elif len(self._row) > self._most_bytes:
            yield too_long(self._begins, self.counts, len(self._row), self._most_bytes, last=True)

    def _read(self, row: bytes) -> Found:
        if not row.strip():
            return
        if len(row) > self._most_bytes:
            yield too_long(self._begins, self.counts, len(row), self._most_bytes)
            return
        try:
            (cells,) = csv.reader([row.decode()], strict=True)
            if self._columns is not None:
                yield Record(self._begins, self._columns.record(cells))
            else:
                self._columns = Columns([name.strip() for name in cells])
        except UnicodeDecodeError:
            yield self._fault("", "it is not UTF-8")
        except csv.Error:
            yield self._fault("", "its quotation marks do not match; a cell that has one stands in them and doubles it")
        except CellError as error:
            yield self._fault(error.pointer, str(error))
        except ValueError as error:
            yield self._fault("", str(error))

    def _fault(self, pointer: str, message: str) -> Fault:
        """The fault of this row. Without columns nothing can be read: then the row was the header."""
        return Fault(self._begins, pointer, message, last=self._columns is None)
