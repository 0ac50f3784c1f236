"""Reading a transcript: bytes or text in; turns out, with what it was taken for."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from formats.documents import Reading, Transcript, Turn
from formats.encoding import DAMAGED, GUESS, decoded
from formats.errors import BadTranscript
from formats.notes import Notes
from formats.pseudonyms import pseudonyms
from formats.transcripts.names import folded
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.registry import AUTO, format_of
from formats.transcripts.speakers import Given, settled, with_speakers
from formats.transcripts.turns import UNKNOWN, Spoken, storable, turns_of

Names = Literal["keep", "pseudonyms"]
Speakers = Sequence[str] | Mapping[str, str | None]


def read_transcript(
    content: str | bytes,
    format: str = AUTO,  # noqa: A002 - the contract's word
    *,
    speakers: Speakers | None = None,
    names: Names = "keep",
    file_name: str = "",
) -> Transcript:
    """The turns of a transcript, in order, and what it was taken for.

    Parameters
    ----------
    content: the file's bytes, or its text.
    format: one of docs/formats.md, or `auto`: by the content's shape.
    speakers: settles who speaks: a list of all names, or a table from aliases to names (null: no name).
    names: with `pseudonyms` speakers are P1, P2, ... by first speech, in the notes too.

    Raises BadTranscript with the line, counted from 1, and the reason.
    """
    notes = Notes()
    text, encoding = (content, "") if isinstance(content, str) else decoded(content)
    if encoding == GUESS:
        notes.say("it is not UTF-8 and was read as Windows-1252")
    if encoding == DAMAGED:
        notes.say("it has bytes that are not UTF-8; each was read as the sign U+FFFD")
    read = Content(text.removeprefix("\ufeff"), file_name)
    chosen = format_of(read, format)
    return transcript_of(chosen.read(read), chosen.name, speakers=speakers, names=names, notes=notes)


def transcript_of(
    parsed: Parsed, name: str, *, speakers: Speakers | None = None, names: Names = "keep", notes: Notes | None = None
) -> Transcript:
    """The turns of what a reader of the format `name` found; `notes` are added to its own.

    Raises BadTranscript where nobody says anything.
    """
    given, noted = Given(speakers), notes or Notes()
    spoken = _spoken(parsed, given, noted)
    if not spoken.turns:
        raise BadTranscript("the transcript holds no speech")
    return _shown(name, parsed, spoken, noted, _names(spoken, given) if names == "pseudonyms" else str)


def _spoken(parsed: Parsed, given: Given, notes: Notes) -> Spoken:
    pieces = storable(parsed.pieces, notes)
    if not parsed.named:
        pieces = with_speakers(pieces, given, notes)
    elif parsed.prefixes:
        pieces = settled(pieces, given, notes)
    return turns_of(parsed, pieces, given, notes)


def _names(spoken: Spoken, given: Given) -> Callable[[str], str]:
    """What each name is shown as where none may be kept; `unknown` is nobody's name."""
    hidden = pseudonyms(turn.speaker for turn in spoken.turns if turn.speaker != UNKNOWN) | {UNKNOWN: UNKNOWN}
    return lambda name: hidden.get(given.shown(folded(name)) or "", "a name")


def _shown(name: str, parsed: Parsed, spoken: Spoken, notes: Notes, shown: Callable[[str], str]) -> Transcript:
    """The transcript with every name as `shown` has it."""
    turns = tuple(Turn(shown(turn.speaker), turn.text, turn.start, turn.end) for turn in spoken.turns)
    speakers = Counter(turn.speaker for turn in turns)  # in order of first speech
    sentences = (*parsed.notes.sentences(shown), *notes.sentences(shown))
    cues = sum(bool(piece.text.strip()) for piece in parsed.pieces)
    return Transcript(turns, Reading(name, cues, len(turns), dict(speakers), spoken.unnamed, sentences))
