"""Parquet: kept in a temporary file until its footer has arrived, which comes last, then unpacked by another process.

A file may claim anything: a page of some kilobytes that unpacks to gigabytes, lengths and types that are not so. What
unpacks it therefore has limited memory and time, and none of this process's secrets (see `parquet_process`).
"""

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, ClassVar, Final

from formats.datasets.containers.columns import LABEL, NESTED, TEXTS, CellError, Rows, RowsOf, check_columns
from formats.datasets.records import Fault, Found, Limits, Record, too_long
from formats.documents import Place
from formats.errors import UnreadableFile

UNPACKING: Final = Path(__file__).with_name("parquet_process.py")
PROCESSOR_SECONDS: Final = 900
MOST_TIMES: Final = 100
FEW_BYTES: Final = 32 << 20
"""The documents may have `MOST_TIMES` the bytes of the file, or so many where the file is small."""
LEAST_BYTES: Final = 64
"""A row counts as at least so many bytes: millions of equal rows fit into a file of a kilobyte."""
MARK: Final = b"PAR1"


class ParquetRows:
    """Gives row after row, counted from 1."""

    name: ClassVar[str] = "parquet"
    unpacks: ClassVar[bool] = True

    def __init__(self, limits: Limits, rows_of: RowsOf) -> None:
        self._limits = limits
        self._rows_of = rows_of
        self._length = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._said: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._rows: Rows | None = None
        self._names: list[str] = []
        self._unread: dict[str, None] = {}
        self._number = 0
        self._unpacked = 0
        self._most = 0

    def feed(self, data: bytes) -> Found:
        """Keep the next bytes. Raises `UnreadableFile` when the first ones are not those of a Parquet file."""
        if not self._length and len(data) >= len(MARK) and not data.startswith(MARK):
            raise UnreadableFile("It is no Parquet file: it does not begin with `PAR1`.")
        self._file.write(data)
        self._length += len(data)
        yield from ()

    def finish(self) -> Found:
        """Unpack the rows. Raises `UnreadableFile` when the file cannot be read."""
        process = self._process = self._unpacking()
        assert process.stdout is not None
        limit = self._limits.record_bytes
        columns = process.stdout.readline(limit + 1)
        if columns.endswith(b"\n"):
            self._choose(process, columns)
        elif columns:
            raise UnreadableFile(f"The description of the Parquet file's columns has more than {limit} bytes.")
        while line := process.stdout.readline(limit + 1):
            self._unpacked += max(len(line), LEAST_BYTES)
            self._within_length()
            self._number += 1
            place = Place(self._number, "row")
            if not line.endswith(b"\n"):
                yield too_long(place, len(line), limit, last=True)
                return
            try:
                yield Record(place, self._fields(line))
            except CellError as error:
                yield Fault(place, error.pointer, str(error))
        self._end(process)

    def close(self) -> None:
        """End the process and remove the file."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # what it was told and did not read
                        pipe.close()
        if self._said is not None:
            self._said.close()
        self._file.close()

    def _unpacking(self) -> subprocess.Popen[bytes]:
        """The process that unpacks the file, started."""
        self._file.flush()
        self._file.seek(max(0, self._length - len(MARK)))
        if self._length < 3 * len(MARK) or self._file.read() != MARK:
            raise UnreadableFile("The Parquet file is cut off, or is none: it does not end with `PAR1`.")
        if find_spec("pyarrow") is None:
            raise UnreadableFile("Reading Parquet needs the package pyarrow: run `pip install pyarrow`.")
        self._most = min(self._limits.documents_bytes, max(FEW_BYTES, MOST_TIMES * self._length))
        self._file.seek(0)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        bounds = (str(self._limits.unpack_memory_bytes), str(PROCESSOR_SECONDS))
        return subprocess.Popen(
            [sys.executable, "-I", str(UNPACKING), str(self._file.fileno()), *bounds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            pass_fds=[self._file.fileno()],
            env={"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        )

    def _choose(self, process: subprocess.Popen[bytes], columns: bytes) -> None:
        """Tell the process what to read, by the columns that it tells of with a value of each one's shape."""
        told: list[tuple[str, object]] = json.loads(columns)
        names = [name for name, _ in told]
        try:
            check_columns(names)
            self._rows = self._rows_of(dict(told))
        except ValueError as error:
            raise UnreadableFile(f"The Parquet file cannot be taken: {error}.") from None
        chosen = {"texts": TEXTS, "nested": NESTED, "label": LABEL} if self._rows.documents else None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(chosen).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return  # it has said why
        if read := process.stdout.readline():
            self._names = json.loads(read)
            self._unread = {name: None for name in names if name not in self._names}

    def _fields(self, line: bytes) -> dict[str, object]:
        assert self._rows is not None
        cells = dict(zip(self._names, json.loads(line), strict=True))
        return dict(self._rows.fields(cells | self._unread if self._unread else cells))

    def _within_length(self) -> None:
        if self._unpacked > self._most:
            raise UnreadableFile(
                f"The Parquet file unpacks to more than {self._most} bytes of documents, the most that is taken of one "
                f"of {self._length} bytes."
            )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """After the process has written everything: raises `UnreadableFile` with the fault that it names."""
        assert self._said is not None
        status = process.wait()
        if status == 0 and self._rows is not None:
            return
        self._said.seek(0)
        told = self._said.read(2_000).decode(errors="replace").strip() if status == 3 else ""
        raise UnreadableFile(told or "The Parquet file cannot be read: it breaks off what reads it.")
