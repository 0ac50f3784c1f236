"""Amazon Transcribe's output: segments, or words with speakers or channels; and that of its Call Analytics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.recognizers.entries import (
    Fields,
    fields_in,
    first_of,
    objects_of,
    parsed,
    seconds,
    spoken_in,
    text_in,
    value_of,
)
from formats.transcripts.recognizers.words import (
    Word,
    by_phrase,
    by_speaker,
    in_order_of_time,
    names_by_channel,
    piece_of,
)

_MILLISECONDS: Final = 1000.0


def _recognizes(content: Content) -> bool:
    value = content.json
    results = fields_in(value, "results")
    if any(isinstance(results.get(name), list) for name in ("items", "audio_segments")):
        return any(isinstance(each.get("transcript"), str) for each in first_of(results.get("transcripts"))) or any(
            isinstance(each.get("transcript"), str) for each in first_of(results.get("audio_segments"))
        )
    return isinstance(value, dict) and any(map(_is_call, first_of(value.get("Transcript"))))


def _is_call(entry: Fields) -> bool:
    return "Content" in entry and bool({"ParticipantRole", "ParticipantId"} & entry.keys())


def _read(content: Content) -> Parsed:
    value = value_of(content, "Amazon Transcribe")
    notes = Notes()
    if isinstance(value, dict) and isinstance(value.get("Transcript"), list):
        return parsed(_call(value["Transcript"], notes), notes)
    results = fields_in(value, "results")
    if not results:
        raise BadTranscript("it has no object `results`, in which Amazon Transcribe writes speech")
    return parsed(_segments(results, notes) or _channels(results, notes) or _items(results, notes), notes)


def _segments(results: Fields, notes: Notes) -> list[Piece]:
    """The segments that Amazon Transcribe itself makes of the words."""
    entries = list(objects_of(results.get("audio_segments"), "audio_segments", notes))
    name = names_by_channel(((text_in(entry, "channel_label"), _speaker(entry)) for _, entry in entries), notes)
    channels: dict[str, list[Piece]] = {}
    for number, entry in entries:
        if text := spoken_in(entry, number, notes, "transcript"):
            channel, speaker = text_in(entry, "channel_label"), _speaker(entry)
            start, end = seconds(entry.get("start_time")), seconds(entry.get("end_time"))
            channels.setdefault(channel, []).append(Piece(text, number, name(channel, speaker), start, end))
    return in_order_of_time(list(channels.values()), notes)


def _channels(results: Fields, notes: Notes) -> list[Piece]:
    """The words of each channel, in phrases."""
    channels: list[tuple[str, list[Word]]] = []
    for number, entry in objects_of(fields_in(results, "channel_labels").get("channels"), "channels", notes):
        words = _words(entry.get("items"), {}, notes)
        if words:
            channels.append((text_in(entry, "channel_label") or f"ch_{number - 1}", words))
    if len(channels) < 2:
        return []
    notes.say("words of a channel were put together up to the ends of sentences and pauses of a second")
    name = names_by_channel(((channel, word.speaker) for channel, words in channels for word in words), notes)
    found = [
        [
            piece_of([replace(word, speaker=name(channel, word.speaker)) for word in phrase])
            for group in by_speaker(words)
            for phrase in by_phrase(group)
        ]
        for channel, words in channels
    ]
    return in_order_of_time(found, notes)


def _items(results: Fields, notes: Notes) -> list[Piece]:
    """The words of each speaker, else all that is said as one piece."""
    words = _words(results.get("items"), _speakers_by_start(results, notes), notes)
    if any(word.speaker is not None for word in words):
        return [piece_of(group) for group in by_speaker(words)]
    said = [
        text
        for _, each in objects_of(results.get("transcripts"), "transcripts", notes)
        if (text := text_in(each, "transcript"))
    ]
    text = " ".join(said)
    if words:
        return [piece_of(words, text or None)]
    return [Piece(text, 1)] if text else []


def _words(items: object, speakers: Mapping[str, str], notes: Notes) -> list[Word]:
    found: list[Word] = []
    for number, item in objects_of(items, "items", notes):
        alternatives = first_of(item.get("alternatives"), 1)
        text = text_in(alternatives[0], "content") if alternatives else ""
        if text:
            start, end = seconds(item.get("start_time")), seconds(item.get("end_time"))
            speaker = _speaker(item) or speakers.get(str(item.get("start_time")))
            found.append(Word(text, number, speaker, start, end, glued=item.get("type") == "punctuation"))
    return _with_punctuation(found)


def _with_punctuation(words: Sequence[Word]) -> list[Word]:
    """The words; punctuation is the speaker's of the word before it."""
    found: list[Word] = []
    for word in words:
        speaker = found[-1].speaker if word.glued and found else word.speaker
        found.append(replace(word, speaker=speaker))
    return found


def _speakers_by_start(results: Fields, notes: Notes) -> dict[str, str]:
    """Who speaks from when, in older output, whose items have no speakers."""
    found: dict[str, str] = {}
    for _, segment in objects_of(fields_in(results, "speaker_labels").get("segments"), "segments", notes):
        for _, item in objects_of(segment.get("items"), "items", notes):
            speaker = _speaker(item) or _speaker(segment)
            if speaker is not None:
                found[str(item.get("start_time"))] = speaker
    return found


def _speaker(entry: Fields) -> str | None:
    return text_in(entry, "speaker_label") or None


def _call(entries: Sequence[Any], notes: Notes) -> list[Piece]:
    """The segments of Call Analytics and of Contact Lens, by who takes part in which role."""
    segments = list(objects_of(entries, "Transcript", notes))
    ids: dict[str, set[str]] = {}
    for _, entry in segments:
        ids.setdefault(text_in(entry, "ParticipantRole"), set()).add(text_in(entry, "ParticipantId"))
    pieces: list[Piece] = []
    for number, entry in segments:
        role = text_in(entry, "ParticipantRole")
        name = text_in(entry, "ParticipantId") if len(ids[role]) > 1 or not role else role
        if text := spoken_in(entry, number, notes, "Content"):
            start = seconds(entry.get("BeginOffsetMillis"), _MILLISECONDS)
            pieces.append(
                Piece(text, number, name or role or None, start, seconds(entry.get("EndOffsetMillis"), _MILLISECONDS))
            )
    return pieces


FORMAT: Final = TranscriptFormat("aws", _recognizes, _read)
