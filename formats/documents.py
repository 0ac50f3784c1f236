"""What readers give: turns of a transcript, documents of a data set, and with each what it was taken for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said; `start` and `end` are seconds from the recording's beginning, where they are known."""

    speaker: str
    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a transcript was taken for.

    `cues` is how many pieces of speech the file has, `turns` how many turns they make, `speakers` the turns of each in
    order of first speech, `unnamed` how many pieces went on with the speaker before them for want of a name.
    """

    format: str
    cues: int
    turns: int
    speakers: Mapping[str, int]
    unnamed: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript that was read."""

    turns: tuple[Turn, ...]
    reading: Reading

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided and could be otherwise."""
        return self.reading.notes

    @property
    def content(self) -> dict[str, Any]:
        """The content of the document that it is: its turns, with their times where there are any."""
        return {
            "turns": [{name: told for name, told in asdict(turn).items() if told is not None} for turn in self.turns]
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: the number of its line, row or item, from 1, in `file` of an archive or folder.

    `line` is where an item begins.
    """

    number: int
    counts: str = "line"
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        here = f"{self.counts} {self.number}"
        if self.line is not None:
            here += f" (line {self.line})"
        return here if self.file is None else f"{here} of {self.file}"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a data set, checked.

    `content` is ``{"text"}``, ``{"turns": [{speaker, text, start?, end?}]}`` or ``{"messages": [{role, content}]}``.
    `reading` is that of a document that came as a transcript.
    """

    place: Place
    content: Mapping[str, Any]
    id: str | None = None
    domain: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cluster: str | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class DatasetReading:
    """What a data set was taken for.

    `container` is how its records are written, `layout` what their fields mean. `passed_over` counts, by their names,
    fields that are no part of a document, once for each document that has them.
    """

    container: str
    layout: str
    encoding: str
    documents: int
    turns: int
    passed_over: Mapping[str, int]
    notes: tuple[str, ...]
