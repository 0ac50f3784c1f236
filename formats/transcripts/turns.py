"""From pieces of speech to turns, each with its speaker."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from formats.documents import Turn
from formats.notes import Notes
from formats.transcripts.names import folded
from formats.transcripts.pieces import Parsed, Piece
from formats.transcripts.speakers import Given

UNKNOWN: Final = "unknown"
"""The speaker of what stands before the first name."""
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Spoken:
    """The turns, and how many pieces went on with the speaker before them for want of a name."""

    turns: Sequence[Turn]
    unnamed: int


def turns_of(parsed: Parsed, pieces: Sequence[Piece], given: Given, notes: Notes) -> Spoken:
    """One turn a message; of cues one turn until another speaker is named.

    A piece that names nobody goes on with the speaker before it and is counted; before any name it is `unknown`.
    """
    said: list[tuple[str, list[Piece]]] = []
    unnamed = 0
    for piece in pieces:
        if not piece.text.strip():
            continue
        named = None if piece.speaker is None else given.shown(folded(piece.speaker)) or None
        unnamed += named is None
        speaker = named or (said[-1][0] if said else UNKNOWN)
        if parsed.kind == "cues" and said and said[-1][0] == speaker:
            said[-1][1].append(piece)
        else:
            said.append((speaker, [piece]))
    if parsed.kind == "cues":
        turns = [_of_cues(speaker, together) for speaker, together in said]
    else:
        turns = [Turn(speaker, piece.text.strip(), piece.start, piece.end) for speaker, (piece,) in said]
    _note_speakers(turns, unnamed, given, notes)
    return Spoken(turns, unnamed)


def storable(pieces: Sequence[Piece], notes: Notes) -> Sequence[Piece]:
    """The pieces with U+FFFD for what no text may have: U+0000, and halves of surrogate pairs that stand alone."""
    if not any(_UNSTORABLE.search(piece.text) or _UNSTORABLE.search(piece.speaker or "") for piece in pieces):
        return pieces
    notes.say("characters that no text may have were read as the sign U+FFFD")
    return [
        replace(
            piece,
            text=_UNSTORABLE.sub("\ufffd", piece.text),
            speaker=None if piece.speaker is None else _UNSTORABLE.sub("\ufffd", piece.speaker),
        )
        for piece in pieces
    ]


def _of_cues(speaker: str, pieces: Sequence[Piece]) -> Turn:
    starts = [piece.start for piece in pieces if piece.start is not None]
    ends = [piece.end for piece in pieces if piece.end is not None]
    text = " ".join(" ".join(piece.text for piece in pieces).split())
    return Turn(speaker, text, min(starts, default=None), max(ends, default=None))


def _note_speakers(turns: Sequence[Turn], unnamed: int, given: Given, notes: Notes) -> None:
    speakers = list(dict.fromkeys(turn.speaker for turn in turns))
    if turns and unnamed and speakers == [UNKNOWN]:
        notes.say("nothing in it names a speaker: all of it is one speaker's, {}", UNKNOWN)
    elif unnamed and speakers[0] == UNKNOWN:
        notes.say("what stands before the first name is of the speaker {}", UNKNOWN)
    for name in given.silent(speakers):
        notes.say("{} is among the given speakers and says nothing", name)
    alike: dict[str, str] = {}
    for speaker in speakers:
        other = alike.setdefault(speaker.casefold(), speaker)
        if other != speaker:
            notes.say(
                "{} and {} differ in capitals alone and are two speakers; `speakers` can make them one", other, speaker
            )
