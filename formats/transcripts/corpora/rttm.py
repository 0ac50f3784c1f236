"""RTTM, which says who speaks when and not what: it is known, so as to be refused with advice."""

import re
from typing import Final

from formats.errors import BadTranscript
from formats.transcripts.pieces import Content, Parsed, TranscriptFormat

_NONE: Final = "<NA>"
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def _is_turn(line: str) -> bool:
    """`SPEAKER recording channel start duration <NA> <NA> name <NA> <NA>`; some programs leave the last fields out."""
    if not line.startswith("SPEAKER"):
        return False
    fields = line.split(maxsplit=10)
    return (
        fields[0] == "SPEAKER"
        and 8 <= len(fields) <= 10
        and all(map(_NUMBER.fullmatch, fields[3:5]))
        and fields[5:7] == [_NONE, _NONE]
        and fields[7] != _NONE
    )


def _first(content: Content) -> int | None:
    """The line of the first turn."""
    if "SPEAKER" not in content.text or _NONE not in content.text:
        return None
    return next((number for number, line in enumerate(content.lines, start=1) if _is_turn(line)), None)


def _recognizes(content: Content) -> bool:
    return _first(content) is not None


def _read(content: Content) -> Parsed:
    line = _first(content)
    if line is None:
        raise BadTranscript(
            "it is not RTTM: no line is `SPEAKER recording channel start duration <NA> <NA> name <NA> <NA>`"
        )
    beside = any(text.strip() and not _is_turn(text) and not text.startswith(";;") for text in content.lines)
    where = "these lines are RTTM, which says who speaks when and holds no words"
    if beside:
        where += "; the words beside them cannot be given to speakers here"
    raise BadTranscript(
        f"{where}. Let one program write both, as WhisperX does (`--diarize` with `--output_format json`), or put the "
        "name before each cue or line (`Name: what was said`)",
        line,
    )


FORMAT: Final = TranscriptFormat("rttm", _recognizes, _read)
