"""Parquet: kept in a temporary file until its footer has arrived, which comes last, then unpacked by another process.

A file may claim anything: a page of some kilobytes that unpacks to gigabytes, lengths and types that are not so. What
unpacks it therefore has limited memory and time, and none of this process's secrets (see `parquet_process`).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, ClassVar, Literal

from service.uploads.readers.columns import INPUTS, LABEL, NESTED, TEXTS, CellError, Columns
from service.uploads.readers.reader import Fault, Found, Limits, Record, UnreadableFileError, too_long

UNPACKING = Path(__file__).with_name("parquet_process.py")
PROCESSOR_SECONDS = 900
MOST_TIMES = 100
FEW_BYTES = 32 << 20
"""The documents may have `MOST_TIMES` the bytes of the file, or so many where the file is small."""
LEAST_BYTES = 64
"""A row counts as at least so many bytes: millions of equal rows fit into a file of a kilobyte."""
MARK = b"PAR1"


class ParquetRows:
    """Gives row after row, counted from 1."""

    unpacks: ClassVar[bool] = True
    counts: ClassVar[Literal["line", "row"]] = "row"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._length = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._said: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._columns: Columns | None = None
        self._number = 0
        self._unpacked = 0
        self._most = 0

    def feed(self, data: bytes) -> Found:
        """Keep the next bytes. Raises `UnreadableFileError` when the first ones are not those of a Parquet file."""
        if not self._length and len(data) >= len(MARK) and not data.startswith(MARK):
            raise UnreadableFileError("It is no Parquet file: it does not begin with `PAR1`.")
        self._file.write(data)
        self._length += len(data)
        yield from ()

    def finish(self) -> Found:
        """Unpack the rows. Raises `UnreadableFileError` when the file cannot be read."""
        process = self._process = self._unpacking()
        assert process.stdout is not None
        limit = self._limits.record_bytes
        while line := process.stdout.readline(limit + 1):
            self._unpacked += max(len(line), LEAST_BYTES)
            self._within_length()
            if self._columns is None:
                self._read_header(line)
                continue
            self._number += 1
            if not line.endswith(b"\n"):
                yield too_long(self._number, self.counts, len(line), limit, last=True)
                return
            try:
                yield Record(self._number, self._columns.record(json.loads(line)))
            except CellError as error:
                yield Fault(self._number, error.pointer, str(error))
        self._end(process)

    def close(self) -> None:
        """End the process and remove the file."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._said is not None:
            self._said.close()
        self._file.close()

    def _unpacking(self) -> subprocess.Popen[bytes]:
        """The process that unpacks the file, started."""
        self._file.flush()
        self._file.seek(max(0, self._length - len(MARK)))
        if self._length < 3 * len(MARK) or self._file.read() != MARK:
            raise UnreadableFileError("The Parquet file is cut off, or is none: it does not end with `PAR1`.")
        self._most = min(self._limits.documents_bytes, max(FEW_BYTES, MOST_TIMES * self._length))
        self._file.seek(0)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        wanted = {"texts": TEXTS, "nested": NESTED, "inputs": INPUTS, "label": LABEL}
        bounds = (str(self._limits.unpack_memory_bytes), str(PROCESSOR_SECONDS))
        return subprocess.Popen(
            [sys.executable, "-I", str(UNPACKING), *bounds, json.dumps(wanted)],
            stdin=self._file,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        )

    def _read_header(self, line: bytes) -> None:
        names, passed_over = json.loads(line)
        try:
            self._columns = Columns(names, passed_over)
        except ValueError as error:
            raise UnreadableFileError(f"The Parquet file cannot be taken: {error}.") from None

    def _within_length(self) -> None:
        if self._unpacked > self._most:
            raise UnreadableFileError(
                f"The Parquet file unpacks to more than {self._most} bytes of documents, the most that is taken of one "
                f"of {self._length} bytes."
            )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """After the process has written everything: raises `UnreadableFileError` with the fault that it names."""
        assert self._said is not None
        status = process.wait()
        if status == 0 and self._columns is not None:
            return
        self._said.seek(0)
        told = self._said.read(2_000).decode(errors="replace").strip() if status == 3 else ""
        raise UnreadableFileError(told or "The Parquet file cannot be read: it breaks off what reads it.")
