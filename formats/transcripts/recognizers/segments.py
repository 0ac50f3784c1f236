"""Segments of speech as Whisper's kin write them: a text with its times, its speaker, and its words with theirs."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from formats.notes import Notes
from formats.transcripts.pieces import Piece
from formats.transcripts.recognizers.entries import (
    Fields,
    fields_in,
    objects_of,
    seconds,
    speaker_of,
    spoken_in,
    text_in,
)
from formats.transcripts.recognizers.words import Word, by_speaker, cut, piece_of

_SPEAKERS: Final = ("speaker", "speaker_id", "speaker_label")
_MARK: Final = re.compile(r"[(\[]speaker (\d{1,3}|\?)[)\]]:?\s{0,5}", re.IGNORECASE)
"""How whisper.cpp writes a speaker into a text."""
_TURN: Final = re.compile(r"\s?\[SPEAKER[_ ]TURN\]")
"""How it writes that another speaker follows, whoever that is."""


def read_segments(segments: Sequence[Any], name: str, notes: Notes) -> list[Piece]:
    """The segments as pieces of speech, cut where the speakers of their words change."""
    entries = list(objects_of(segments, name, notes))
    told = {speaker for _, entry in entries if (speaker := _speaker(entry, notes)) is not None}
    words = {number: _words(entry, number, notes) for number, entry in entries}
    heard = {word.speaker for spoken in words.values() for word in spoken if word.speaker is not None}
    follow = bool(heard) and (not told or bool(told & heard))
    if heard and not follow:
        notes.say("the words of the segments name other speakers than the segments do; the segments were followed")
    pieces: list[Piece] = []
    for number, entry in entries:
        text = spoken_in(entry, number, notes, "text")
        if text:
            pieces += _pieces(entry, number, text, words[number] if follow else [], notes)
    return pieces


def _pieces(entry: Fields, number: int, text: str, words: Sequence[Word], notes: Notes) -> Iterator[Piece]:
    speaker = _speaker(entry, notes)
    start, end = span_of(entry)
    groups = by_speaker(words) if any(word.speaker for word in words) else []
    if len(groups) > 1:
        notes.say("segments in which the speaker changes were cut between their words", line=number)
        if any(word.speaker is None for word in words):
            notes.say(
                "words without a speaker, in a segment that was cut, are those of the speaker before", line=number
            )
        for group, part in zip(groups, cut(text, groups), strict=True):
            yield piece_of(group, part)
        return
    if groups:
        heard = piece_of(groups[0]).speaker
        if speaker is not None and heard != speaker:
            notes.say(
                "segments whose words are another speaker's than the segment are the words' speaker's", line=number
            )
        speaker = heard
    elif speaker is None and (mark := _MARK.match(text)):
        speaker, text = speaker_of(mark[1], notes), text[mark.end() :]
    if entry.get("speaker_turn_next") is True or _TURN.search(text):
        text = _TURN.sub("", text).strip()
        notes.say(
            "changes of speaker are marked without saying who speaks, so speakers are not told apart", line=number
        )
    if text:
        yield Piece(text, number, speaker, start, end)


def _words(entry: Fields, number: int, notes: Notes) -> list[Word]:
    spoken = entry.get("words")
    if not isinstance(spoken, list):
        return []
    return [
        Word(text, number, _speaker(word, notes), *span_of(word))
        for word in spoken
        if isinstance(word, dict) and (text := text_in(word, "word", "text"))
    ]


def _speaker(entry: Fields, notes: Notes) -> str | None:
    found = (speaker_of(entry.get(key), notes) for key in _SPEAKERS)
    return next((speaker for speaker in found if speaker is not None), None)


def span_of(entry: Fields) -> tuple[float | None, float | None]:
    """Start and end: as seconds, as a pair, or as whisper.cpp's milliseconds."""
    if "start" in entry or "end" in entry:
        return seconds(entry.get("start")), seconds(entry.get("end"))
    pair = entry.get("timestamp")
    if isinstance(pair, list) and len(pair) == 2:
        return seconds(pair[0]), seconds(pair[1])
    offsets = fields_in(entry, "offsets")
    if offsets:
        return seconds(offsets.get("from"), 1000), seconds(offsets.get("to"), 1000)
    times = fields_in(entry, "timestamps")
    return _clock(times.get("from")), _clock(times.get("to"))


def _clock(time: object) -> float | None:
    """`00:01:05,120` in seconds."""
    parts = time.replace(",", ".").split(":") if isinstance(time, str) else []
    numbers = [seconds(part) for part in parts]
    if len(numbers) != 3 or None in numbers:
        return None
    return round(sum((number or 0.0) * unit for number, unit in zip(numbers, (3600, 60, 1), strict=True)), 3)
