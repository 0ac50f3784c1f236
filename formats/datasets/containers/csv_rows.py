"""CSV (RFC 4180, and as Excel writes it), read as it arrives: a header names the columns, each row is a record.

Memory stays bounded by one piece of the file and one row. Where a row ends is known before it is parsed: at the end of
a line at which no quoted cell is open.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from formats.datasets.containers.columns import CellError, Rows, RowsOf, check_columns
from formats.datasets.containers.csv_dialect import (
    QuotedCells,
    cells_of,
    delimiter_of,
    header_names,
    named,
    said_delimiter,
)
from formats.datasets.containers.lines import Lines
from formats.datasets.records import Fault, Found, Limits, Record, too_long
from formats.documents import Place
from formats.notes import Notes

_MOST_SHOWN: Final = 10


class CsvRows:
    """Gives row after row, each by the number of the line it begins at; empty lines and rows are passed over.

    What separates cells is told from the header unless it is given.
    """

    name: ClassVar[str] = "csv"
    unpacks: ClassVar[bool] = False

    def __init__(self, limits: Limits, notes: Notes, rows_of: RowsOf, delimiter: str | None = None) -> None:
        self._most_bytes = limits.record_bytes
        self._notes = notes
        self._rows_of = rows_of
        self._delimiter = delimiter
        self._lines = Lines()
        self._quoted: QuotedCells | None = None
        self._row = bytearray()
        self._begins = 0
        self._names: list[str] = []
        self._header_line = 1
        self._rows: Rows | None = None
        self._values_without_name: dict[int, int] = {}
        self._empty_rows = 0
        self._long_rows = 0

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. A bad header, or a row that does not end within the limit, is the last fault."""
        for line in self._lines.feed(data):
            yield from self._take(line)
        length = len(self._row) + self._lines.pending
        if length > self._most_bytes:
            yield self._endless(length)

    def finish(self) -> Found:
        """Read the last row, which needs no line end."""
        for line in self._lines.finish():
            yield from self._take(line)
        if self._row:
            assert self._quoted is not None
            opened = self._quoted.opened or self._begins
            yield Fault(Place(opened), "", "a quotation mark opens a cell here that is never closed", last=True)
        elif self._names and self._rows is None:
            yield from self._begin(dict.fromkeys(filter(None, self._names)))
        self._say_what_is_passed_over()

    def close(self) -> None:
        """Nothing has to be closed."""

    def _take(self, line: bytes) -> Found:
        """Add a line to the row that it belongs to, and read the row where it ends here."""
        number = self._lines.number
        if self._quoted is None:
            if self._is_before_the_header(line):
                return
            self._quoted = QuotedCells(self._delimiter or ",")
        if not self._row:
            self._begins = number
        ends = self._quoted.take(line, number)
        if ends and not self._row:
            yield from self._read(line)
            return
        self._row += line
        if ends:
            row = bytes(self._row)
            self._row.clear()
            yield from self._read(row)
        elif len(self._row) > self._most_bytes:
            yield self._endless(len(self._row))

    def _is_before_the_header(self, line: bytes) -> bool:
        """Whether nothing stands in a line; of the first one that has anything the delimiter is told."""
        if not line.strip(b",;|\t \r\n"):
            return True
        if self._delimiter is None and self._lines.number == 1:
            self._delimiter = said_delimiter(line)
            if self._delimiter is not None:
                return True
        if self._delimiter is None:
            self._delimiter = delimiter_of(line.decode(errors="replace"))
            if self._delimiter != ",":
                self._notes.say(f"cells are separated by {named(self._delimiter)}")
        return False

    def _read(self, row: bytes) -> Found:
        if not row.strip(b" \r\n" if self._delimiter == "\t" else None):
            return
        if len(row) > self._most_bytes:
            yield too_long(Place(self._begins), len(row), self._most_bytes)
            return
        try:
            text = row.decode()
            if not self._names:
                self._read_header(text)
            else:
                yield from self._record(cells_of(text, self._delimiter or ","))
        except UnicodeDecodeError:
            yield self._fault("", "it is not UTF-8")
        except csv.Error:
            yield self._fault("", "its quotation marks do not match; a cell that has one stands in them and doubles it")
        except CellError as error:
            yield self._fault(error.pointer, str(error))
        except ValueError as error:
            yield self._fault("", str(error))

    def _read_header(self, text: str) -> None:
        cells_of(text, self._delimiter or ",")  # for its faults
        self._header_line = self._begins
        names = header_names(text, self._delimiter or ",")
        check_columns(names)
        self._names = names
        self._values_without_name = {place: 0 for place, name in enumerate(names) if not name}

    def _record(self, cells: Sequence[str]) -> Found:
        names = self._names
        if len(cells) != len(names):
            if not any(cell.strip() for cell in cells):
                self._empty_rows += 1
                return
            if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
                raise ValueError(f"it has {len(cells)} cells; there are {len(names)} columns")
            self._long_rows += 1
            cells = cells[: len(names)]
        if not any(cell.strip() for cell in cells):
            self._empty_rows += 1
            return
        fields = {name: cell or None for name, cell in zip(names, cells, strict=True) if name}
        if self._rows is None:
            yield from self._begin(fields)
            if self._rows is None:
                return
        for place in self._values_without_name:
            if cells[place].strip():
                self._values_without_name[place] += 1
                fields.setdefault(f"column {place + 1}", cells[place])
        yield Record(Place(self._begins), self._rows.fields(fields))

    def _begin(self, fields: Mapping[str, str | None]) -> Found:
        """Settle by the first row what rows are. What is wrong with the columns is the last fault, of the header."""
        try:
            self._rows = self._rows_of(fields)
        except ValueError as error:
            yield Fault(Place(self._header_line), "", str(error), last=True)

    def _fault(self, pointer: str, message: str) -> Fault:
        """The fault of this row. Without columns nothing can be read: then the row was the header."""
        return Fault(Place(self._begins), pointer, message, last=not self._names)

    def _endless(self, length: int) -> Fault:
        begins = self._begins if self._row else self._lines.number + 1
        fault = too_long(Place(begins), length, self._most_bytes, last=True)
        if self._quoted is None or self._quoted.opened is None:
            return fault
        opened = f"the quotation mark that opens a cell on line {self._quoted.opened} is not closed before"
        return replace(fault, message=f"{fault.message}; {opened}")

    def _say_what_is_passed_over(self) -> None:
        empty = [place + 1 for place, values in self._values_without_name.items() if not values]
        if empty:
            shown = ", ".join(map(str, empty[:_MOST_SHOWN])) + (", ..." if len(empty) > _MOST_SHOWN else "")
            one, several = ("column", "is") if len(empty) == 1 else ("columns", "are")
            self._notes.say(f"{len(empty)} {one} without a name or a value {several} passed over ({one} {shown})")
        if self._empty_rows:
            self._notes.say(f"{self._empty_rows} empty row{' is' if self._empty_rows == 1 else 's are'} passed over")
        if self._long_rows:
            self._notes.say(f"rows have empty cells beyond the last column, which are passed over: {self._long_rows}")
