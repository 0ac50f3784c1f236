"""Notes: what was decided while a file was read and could be otherwise, in sentences for whoever sent it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

MOST_NOTES: Final = 100
MOST_LINES: Final = 10
"""So many lines are named in a note; of more, the number is given."""


@dataclass(slots=True)
class _Note:
    speakers: tuple[str, ...]
    count: int = 0
    lines: list[int] = field(default_factory=list)


class Notes:
    """Collects notes in the order in which they are first met; equal ones become one that names their lines."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, tuple[str, ...]], _Note] = {}
        self._others = 0

    def say(self, sentence: str, *speakers: str, line: int | None = None, count: int = 1) -> None:
        """Note a sentence without its full stop. Each `{}` in it stands for one of `speakers`, by name.

        A sentence quotes no name of a speaker otherwise, for names may have to be replaced. Braces that are meant are
        doubled. `count` is how often it happened.
        """
        key = (sentence, speakers)
        note = self._notes.get(key)
        if note is None:
            if len(self._notes) >= MOST_NOTES:
                self._others += count
                return
            note = self._notes[key] = _Note(speakers)
        note.count += count
        if line is not None and len(note.lines) <= MOST_LINES:
            note.lines.append(line)

    def sentences(self, shown: Callable[[str], str] = lambda name: name) -> Iterator[str]:
        """Every note; `shown` gives the name by which a speaker is shown."""
        for (sentence, _), note in self._notes.items():
            text = sentence.format(*(f"`{_short(shown(name))}`" for name in note.speakers))
            yield text + _places(note)
        if self._others:
            yield f"{self._others} more notes are left out"


def quoted(text: str, most: int = 60) -> str:
    """A piece of a file as a sentence quotes it: on one line, cut, with its braces doubled for `Notes.say`."""
    line = " ".join(text.split())
    return "`" + _short(line, most).replace("{", "{{").replace("}", "}}") + "`"


def _short(line: str, most: int = 60) -> str:
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _places(note: _Note) -> str:
    if not note.lines:
        return f" ({note.count} times)" if note.count > 1 else ""
    if len(note.lines) == 1 and note.count == 1:
        return f" (line {note.lines[0]})"
    if note.count <= MOST_LINES:
        *lines, last = sorted(note.lines)
        return f" (lines {', '.join(map(str, lines))} and {last})"
    return f" ({note.count} times, first on line {min(note.lines)})"
