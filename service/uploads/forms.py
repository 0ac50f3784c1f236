"""Forms (`multipart/form-data`, RFC 7578) that carry a data set: one file, read as it arrives, and fields beside it."""

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from formats.datasets.detection import container_named
from models.schemas.datasets import DatasetBranches, DatasetLayout
from models.schemas.documents import Names
from models.schemas.strings import Name
from service.http.problems import BAD_HEADER, INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE, Problem, field_problem
from service.http.validation import field_errors

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"
TAKEN = (
    "`application/x-ndjson`, `application/json`, `text/csv`, `text/tab-separated-values`, "
    "`application/vnd.apache.parquet`, `application/zip` or `application/octet-stream`"
)
"""The media types of data sets, for whoever sent another one."""
FIELDS: dict[str, TypeAdapter[str]] = {
    "name": TypeAdapter(Name),
    "domain": TypeAdapter(Name),
    "layout": TypeAdapter(DatasetLayout),
    "branches": TypeAdapter(DatasetBranches),
    "names": TypeAdapter(Names),
}
OF_READING = ("layout", "branches", "names")
"""Fields that say how the file is read, and therefore stand before it."""
FILE = "file"
MOST_FIELD_BYTES = 4_096
AS_THEY_ARE = ("", "binary", "8bit", "7bit")


class Form:
    """Separates the file from the `fields` beside it. Raises a `Problem` when it is no such form.

    `container` is that of the file, empty where the content tells it, and known before the file's first byte is given.
    """

    def __init__(self, content_type: str) -> None:
        _, parameters = parse_options_header(content_type)
        boundary = parameters.get(b"boundary", b"")
        if not boundary:
            raise field_problem(BAD_HEADER, "header:Content-Type", f"`{FORM}` needs a `boundary`.")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_begin": self._begin_header,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end_part,
            "on_end": self._end_form,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise field_problem(BAD_HEADER, "header:Content-Type", f"The boundary cannot be used: {error}.") from None
        self.fields: dict[str, str] = {}
        self.container: str | None = None
        self._headers: dict[str, str] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._part = ""
        self._data = bytearray()
        self._file = bytearray()
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the form, and give those of the file among them. Raises a `Problem`."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Problem(INVALID_REQUEST, f"The form cannot be read: {error}.") from None
        of_file = bytes(self._file)
        self._file.clear()
        return of_file

    def end(self) -> None:
        """After the last byte. Raises a `Problem` when the form is not whole or has no file."""
        if not self._ended:
            raise Problem(INVALID_REQUEST, "The form breaks off: its closing boundary is missing.")
        if self.container is None:
            raise field_problem(INVALID_REQUEST, f"form:{FILE}", "The form has no file.")

    def _begin_part(self) -> None:
        self._headers.clear()
        self._data.clear()
        self._part = ""

    def _begin_header(self) -> None:
        self._header_name.clear()
        self._header_value.clear()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value.decode(errors="replace")

    def _end_headers(self) -> None:
        """What the part is: the file, where it has a file's name or is called `file`, else a field that is known."""
        disposition, parameters = parse_options_header(self._headers.get("content-disposition", "").encode())
        name = parameters.get(b"name", b"").decode(errors="replace")
        if disposition != b"form-data":
            raise Problem(INVALID_REQUEST, "A part of the form has no `Content-Disposition: form-data`.")
        if self._headers.get("content-transfer-encoding", "").strip().lower() not in AS_THEY_ARE:
            raise Problem(UNSUPPORTED_MEDIA_TYPE, "A part of the form is encoded; send it as it is.")
        if b"filename" in parameters or name == FILE:
            self._begin_file(parameters.get(b"filename", b"").decode(errors="replace"))
        elif name not in FIELDS:
            known = ", ".join(f"`{field}`" for field in FIELDS)
            raise field_problem(
                INVALID_REQUEST, f"form:{name[:60]}", f"There is no such field; there are {known} and one file."
            )
        elif name in self.fields:
            raise field_problem(INVALID_REQUEST, f"form:{name}", "The field is given twice.")
        elif name in OF_READING and self.container is not None:
            raise field_problem(INVALID_REQUEST, f"form:{name}", "Give the field before the file, which it tells of.")
        else:
            self._part = name

    def _begin_file(self, file_name: str) -> None:
        if self.container is not None:
            raise field_problem(INVALID_REQUEST, f"form:{FILE}", "There is more than one file; send each by itself.")
        kind = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        container = container_named(kind, file_name)
        if container is None:
            raise Problem(
                UNSUPPORTED_MEDIA_TYPE,
                f"Send the file as {TAKEN}, or name it .jsonl, .json, .csv, .tsv, .parquet or .zip; "
                f"{kind[:100]!r} was sent.",
            )
        self.container = container
        self._part = FILE

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == FILE:
            self._file += data[start:end]
            return
        self._data += data[start:end]
        if len(self._data) > MOST_FIELD_BYTES:
            raise field_problem(
                INVALID_REQUEST,
                f"form:{self._part}",
                f"The field has at least {len(self._data)} bytes; the limit is {MOST_FIELD_BYTES}.",
            )

    def _end_part(self) -> None:
        if self._data:
            try:
                self.fields[self._part] = FIELDS[self._part].validate_python(self._data.decode())
            except UnicodeDecodeError:
                raise field_problem(INVALID_REQUEST, f"form:{self._part}", "The field is not UTF-8.") from None
            except ValidationError as error:
                (first, *_) = field_errors(error.errors())
                raise field_problem(INVALID_REQUEST, f"form:{self._part}", first.message) from None
        self._part = ""

    def _end_form(self) -> None:
        self._ended = True
