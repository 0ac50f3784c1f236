"""From words with times and speakers to pieces of speech."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

from formats.notes import Notes
from formats.transcripts.pieces import Piece

PAUSE_SECONDS: Final = 1.0
_SENTENCE_ENDS: Final = (".", "?", "!", "…", "。", "？", "！", "؟", "।")


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its number in the file, from 1; `glued` to the word before it, as punctuation is."""

    text: str
    number: int
    speaker: str | None = None
    start: float | None = None
    end: float | None = None
    glued: bool = False


def by_speaker(words: Iterable[Word]) -> list[list[Word]]:
    """Neighbouring words of one speaker together.

    A word without a speaker goes with the word before it, and before any name with the words after it.
    """
    found: list[list[Word]] = []
    speaker: str | None = None
    for word in words:
        named = word.speaker or speaker
        if found and (named == speaker or speaker is None):
            found[-1].append(word)
        else:
            found.append([word])
        speaker = named
    return found


def by_phrase(words: Iterable[Word]) -> list[list[Word]]:
    """Words up to the end of a sentence or a pause together."""
    found: list[list[Word]] = []
    for word in words:
        before = found[-1][-1] if found else None
        if before is None or (not word.glued and _ends(before, word)):
            found.append([word])
        else:
            found[-1].append(word)
    return found


def _ends(word: Word, after: Word) -> bool:
    if word.text.endswith(_SENTENCE_ENDS):
        return True
    return word.end is not None and after.start is not None and after.start - word.end >= PAUSE_SECONDS


def piece_of(words: Sequence[Word], text: str | None = None) -> Piece:
    """Words of one speaker as a piece; `text` is how they are written together, where that is known."""
    starts = [word.start for word in words if word.start is not None]
    ends = [word.end for word in words if word.end is not None]
    speaker = next((word.speaker for word in words if word.speaker is not None), None)
    written = joined(words) if text is None else text
    return Piece(written, words[0].number, speaker, min(starts, default=None), max(ends, default=None))


def joined(words: Iterable[Word]) -> str:
    """Words with blanks between them."""
    return "".join(word.text if word.glued else f" {word.text}" for word in words).strip()


def cut(text: str, groups: Sequence[Sequence[Word]]) -> list[str]:
    """A text cut where another group of its words begins; the words of each group where they are not the text's."""
    if "".join(text.split()) != "".join("".join(word.text.split()) for group in groups for word in group):
        return [joined(group) for group in groups]
    begins: list[int] = []
    place = 0
    for group in groups:
        place = _past_blanks(text, place)
        begins.append(place)
        for character in chain.from_iterable("".join(word.text.split()) for word in group):
            place = text.index(character, place) + 1  # only blanks are between
    return [text[begin:end].strip() for begin, end in pairwise([*begins, len(text)])]


def _past_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def in_order_of_time(channels: Sequence[Sequence[Piece]], notes: Notes) -> list[Piece]:
    """The pieces of all channels by their start; one without a start stays behind the piece before it."""
    if len(channels) < 2:
        return [piece for pieces in channels for piece in pieces]
    timed: list[tuple[float, Piece]] = []
    for pieces in channels:
        start = 0.0
        for piece in pieces:
            start = start if piece.start is None else piece.start
            timed.append((start, piece))
    notes.say("the channels of the recording were put together in order of time")
    return [piece for _, piece in sorted(timed, key=lambda each: each[0])]


def names_by_channel(
    speakers: Iterable[tuple[str, str | None]], notes: Notes
) -> Callable[[str, str | None], str | None]:
    """How speakers are named who were told apart in each channel: by the channel where each has one, else by both.

    Of one channel the recognizer's own names stand.
    """
    told: dict[str, set[str]] = {}
    for channel, speaker in speakers:
        told.setdefault(channel, set()).update(() if speaker is None else (speaker,))
    if len(told) < 2:
        return lambda _, speaker: speaker
    if all(len(names) < 2 for names in told.values()):
        notes.say("each channel of the recording was taken for a speaker")
        return lambda channel, _: channel or None
    notes.say("speakers are told apart in each channel of the recording by itself and named by both")
    return lambda channel, speaker: f"{channel} {speaker or ''}".strip() or None
