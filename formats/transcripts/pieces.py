"""What a format's reader is given and gives: the content of a file, and the pieces of speech found in it."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from formats.notes import Notes

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class Content:
    """A transcript's text, without a byte order mark, seen as lines or as JSON."""

    def __init__(self, text: str, file_name: str = "") -> None:
        self.text = text
        self.file_name = file_name

    @cached_property
    def lines(self) -> Sequence[str]:
        """The lines without their ends, which may be any of the three."""
        return _LINE_END.split(self.text)

    @cached_property
    def json(self) -> Any:
        """The value where the text is JSON, else None. Control characters may stand in its strings as they are."""
        if self.text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            return json.loads(self.text, strict=False)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of speech as the format gives it: a cue, a message, a line.

    `speaker` is the name that the format itself gives, as it stands there; None where it gives none. `text` may have
    several lines. `line` is where the piece begins in the file, from 1 (in JSON the number of the entry). Times are in
    seconds.
    """

    text: str
    line: int
    speaker: str | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """The pieces of a file, in order.

    kind: ``cues`` are cut to fit a screen or by pauses, so neighbours of one speaker are one turn; of ``messages`` each
    is a turn of its own.
    named: whether the format says who speaks. Where it does not, names may stand before colons in the text.
    prefixes: whether a format that says so does it before colons, so that the request can settle what is a name.
    """

    kind: Literal["cues", "messages"]
    named: bool
    pieces: Sequence[Piece]
    notes: Notes = field(default_factory=Notes)
    prefixes: bool = False


@dataclass(frozen=True, slots=True)
class TranscriptFormat:
    """A format: its name in requests, whether a content has its shape, and its reader, which raises BadTranscript."""

    name: str
    recognizes: Callable[[Content], bool]
    read: Callable[[Content], Parsed]
