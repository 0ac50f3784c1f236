"""Parquet: kept aside until it is whole, because its description comes last, then unpacked by a process of its own.

A file may claim anything: a page of some kilobytes that unpacks to gigabytes, lengths and types that are not so. What
unpacks it therefore has a bound on its memory and time, and nothing of ours to lose (see `parquet_process`).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from service.uploads.readers.columns import INPUTS, LABEL, NESTED, TEXTS, CellError, Columns

if TYPE_CHECKING:
    from service.uploads.upload import Upload

UNPACKING = Path(__file__).with_name("parquet_process.py")
PROCESSOR_SECONDS = 900
MOST_TIMES = 100
FEW_BYTES = 32 << 20
"""Documents may be `MOST_TIMES` the file's own length, or so many bytes where that is little."""
LEAST_BYTES = 64
"""What a row counts for, however short it is: millions of rows fit into a kilobyte where they are the same."""
STEP_BYTES = 1 << 20
MARK = b"PAR1"


class ParquetRows:
    """Gives an upload row after row, counted from 1."""

    unpacks: ClassVar[bool] = True

    def __init__(self, upload: "Upload") -> None:
        self._upload = upload
        self._upload.counted = "row"
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._said: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._columns: Columns | None = None
        self._number = 0
        self._unpacked = 0
        self._most = 0

    def feed(self, data: bytes) -> None:
        """Keep the next bytes. Raises a `Problem` when the first ones are not those of a Parquet file."""
        if not self._file.tell() and len(data) >= len(MARK) and not data.startswith(MARK):
            self._upload.refuse("It is no Parquet file: it does not begin with `PAR1`.")
        self._file.write(data)

    def read_on(self) -> bool:
        """Read the next rows, about a megabyte of them. Raises a `Problem` when the file cannot be read."""
        if self._process is None:
            self._begin()
        assert self._process is not None
        assert self._process.stdout is not None
        limit = self._upload.settings.max_body_bytes
        stop = self._unpacked + STEP_BYTES
        while self._unpacked < stop:
            line = self._process.stdout.readline(limit + 1)
            if not line:
                self._end()
                return False
            self._unpacked += max(len(line), LEAST_BYTES)
            self._within_length()
            if self._columns is None:
                self._read_header(line)
                continue
            self._number += 1
            if not line.endswith(b"\n"):
                self._upload.too_long(self._number, len(line))
                self._upload.refuse()
            try:
                self._upload.take_fields(self._number, self._columns.record(json.loads(line)))
            except CellError as error:
                self._upload.fault(self._number, error.pointer, str(error))
        return True

    def close(self) -> None:
        """End the process and remove the file."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._said is not None:
            self._said.close()
        self._file.close()

    def _begin(self) -> None:
        self._file.flush()
        length = self._upload.length
        self._file.seek(max(0, length - len(MARK)))
        if length < 3 * len(MARK) or self._file.read() != MARK:
            self._upload.refuse("The Parquet file is cut off, or is none: it does not end with `PAR1`.")
        self._most = min(self._upload.settings.max_upload_bytes, max(FEW_BYTES, MOST_TIMES * length))
        self._file.seek(0)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        wanted = {"texts": TEXTS, "nested": NESTED, "inputs": INPUTS, "label": LABEL}
        bounds = (str(self._upload.settings.unpack_memory_bytes), str(PROCESSOR_SECONDS))
        self._process = subprocess.Popen(
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
            self._upload.refuse(f"The Parquet file cannot be taken: {error}.")

    def _within_length(self) -> None:
        if self._unpacked > self._most:
            self._upload.refuse(
                f"The Parquet file unpacks to more than {self._most} bytes of documents, the most that is taken of one "
                f"of {self._upload.length} bytes."
            )

    def _end(self) -> None:
        """The process has said everything; what it said of a fault is the client's to mend."""
        assert self._process is not None
        assert self._said is not None
        status = self._process.wait()
        if status == 0 and self._columns is not None:
            return
        self._said.seek(0)
        told = self._said.read(2_000).decode(errors="replace").strip() if status == 3 else ""
        self._upload.refuse(told or "The Parquet file cannot be read: it breaks off what reads it.")
