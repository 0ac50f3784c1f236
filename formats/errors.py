"""Every way in which a file cannot be read, as one tree.

FormatError
├── BadTranscript       a transcript that does not follow its format
│   └── UnknownFormat   it has the shape of no format that is known
└── UnreadableFile      a data set that is at fault as a whole

A message is for the person who sent the file: it says where in it the fault is, and the remedy.
"""

# ruff: noqa: N818 - the names say what happened

from typing import ClassVar


class FormatError(Exception):
    """A file cannot be read for a stated reason."""

    code: ClassVar[str] = "bad-dataset"


class BadTranscript(FormatError):
    """A transcript does not follow its format; `line` is where, counted from 1, where that is known."""

    code = "document-bad-transcript"

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class UnknownFormat(BadTranscript):
    """A content has the shape of no format that is known."""


class UnreadableFile(FormatError):
    """The file is at fault as a whole; the message says how, for whoever sent it."""
