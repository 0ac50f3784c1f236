"""What the JSON of recognizers has in common: lists of segments and words, with texts, times and speakers."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.pieces import Content, Parsed, Piece

Fields = Mapping[str, Any]

MOST_QUOTED: Final = 200
MOST_TIME: Final = 1e12
"""In seconds or milliseconds: what is more, infinite or no number is none."""
_SILENCE: Final = "[BLANK_AUDIO]"


def value_of(content: Content, program: str) -> Any:
    """The JSON value of a file that `program` wrote. Raises BadTranscript with the line where it breaks off."""
    if content.json is not None:
        return content.json
    try:
        json.loads(content.text)
    except json.JSONDecodeError as error:
        message = f"it is no whole JSON, which {program} writes: it is cut off or damaged here; export it again"
        raise BadTranscript(message, error.lineno) from None
    except (ValueError, RecursionError):
        pass
    raise BadTranscript(f"it is not the JSON that {program} writes")


def objects_of(entries: object, name: str, notes: Notes) -> Iterator[tuple[int, Fields]]:
    """The objects of a list, each with its number from 1; what is none is noted."""
    for number, entry in enumerate(entries if isinstance(entries, list) else (), start=1):
        if isinstance(entry, dict):
            yield number, entry
        else:
            notes.say(f"entries of `{name}` that are no objects are left out", line=number)


def first_of(entries: object, most: int = 5) -> list[Fields]:
    """The objects among the first entries of a list: enough to tell its shape."""
    return [entry for entry in entries[:most] if isinstance(entry, dict)] if isinstance(entries, list) else []


def fields_in(value: object, key: str) -> Fields:
    """The object that stands under a key; an empty one where none does."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def text_in(fields: Fields, *keys: str) -> str:
    """The string under the first of the keys that has one that is not blank, stripped."""
    found = (fields.get(key) for key in keys)
    return next((text.strip() for text in found if isinstance(text, str) and text.strip()), "")


def spoken_in(fields: Fields, number: int, notes: Notes, *keys: str) -> str:
    """What is said in a segment; empty where nothing is, which is counted in the notes."""
    text = text_in(fields, *keys)
    if not text:
        notes.say("segments without text are left out", line=number)
    elif _SILENCE in text:
        text = text.replace(_SILENCE, "").strip()
        notes.say(f"marks of silence, `{_SILENCE}`, are left out")
    return text


def seconds(value: object, unit: float = 1.0) -> float | None:
    """A time that is written as a number, also in a string; None where it is none. `unit` of them are a second."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return round(found / unit, 3) if 0 <= found <= MOST_TIME else None


def speaker_of(value: object, notes: Notes) -> str | None:
    """A speaker as the recognizer names it; a number becomes `Speaker` and the number, which is noted."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or value.strip() in ("", "?"):
        return None
    label = value.strip()
    if not label.isdecimal():
        return label
    notes.say(
        "the recognizer tells speakers apart by numbers, which stand behind `Speaker`; `speakers` in the request can "
        "name them",
        count=0,  # said once, however many segments have numbers
    )
    return f"Speaker {label}"


def parsed(pieces: Iterable[Piece], notes: Notes) -> Parsed:
    """Cues: named where the recognizer names a speaker of any; elsewhere names may stand before colons."""
    found = list(pieces)
    return Parsed("cues", any(piece.speaker is not None for piece in found), found, notes)


def quoted_message(text: str) -> str:
    """A message of another program as an error quotes it, on one line and cut."""
    return "`" + " ".join(text.split())[:MOST_QUOTED] + "`"
