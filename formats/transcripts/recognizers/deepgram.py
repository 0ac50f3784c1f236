"""Deepgram's answers: utterances, else paragraphs, else words, of one or more channels."""

from collections.abc import Sequence
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
    quoted_message,
    seconds,
    speaker_of,
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


def _recognizes(content: Content) -> bool:
    results = fields_in(content.json, "results")
    channels = first_of(results.get("channels"))
    if any(isinstance(channel.get("alternatives"), list) for channel in channels):
        return True
    return any(
        isinstance(each.get("transcript"), str) and "start" in each for each in first_of(results.get("utterances"))
    )


def _read(content: Content) -> Parsed:
    value = value_of(content, "Deepgram")
    results = fields_in(value, "results")
    if not results:
        failure = text_in(value, "err_msg", "details") if isinstance(value, dict) else ""
        if failure:
            raise BadTranscript(f"Deepgram did not transcribe it: {quoted_message(failure)}")
        raise BadTranscript("it has no object `results`, in which Deepgram writes speech")
    notes = Notes()
    channels = _utterances(results, notes) or _channels(results, notes)
    name = names_by_channel(
        ((channel, piece.speaker) for channel, pieces in channels.items() for piece in pieces), notes
    )
    named = [
        [Piece(piece.text, piece.line, name(channel, piece.speaker), piece.start, piece.end) for piece in pieces]
        for channel, pieces in channels.items()
    ]
    return parsed(in_order_of_time(named, notes), notes)


def _utterances(results: Fields, notes: Notes) -> dict[str, list[Piece]]:
    """By channel."""
    found: dict[str, list[Piece]] = {}
    for number, entry in objects_of(results.get("utterances"), "utterances", notes):
        if text := spoken_in(entry, number, notes, "transcript"):
            start, end = seconds(entry.get("start")), seconds(entry.get("end"))
            channel = found.setdefault(f"channel {entry.get('channel', 0)}", [])
            channel.append(Piece(text, number, speaker_of(entry.get("speaker"), notes), start, end))
    return found


def _channels(results: Fields, notes: Notes) -> dict[str, list[Piece]]:
    """By channel, from what Deepgram holds the likeliest."""
    channels = list(objects_of(results.get("channels"), "channels", notes))
    found: dict[str, list[Piece]] = {}
    for number, channel in channels:
        alternatives = first_of(channel.get("alternatives"), 1)
        if alternatives and (pieces := _pieces(alternatives[0], len(channels) > 1, notes)):
            found[f"channel {number - 1}"] = pieces
    return found


def _pieces(alternative: Fields, several: bool, notes: Notes) -> list[Piece]:
    words = _words(alternative, notes)
    told = any(word.speaker is not None for word in words)
    paragraphs = _paragraphs(alternative, notes)
    if paragraphs and (not told or any(piece.speaker is not None for piece in paragraphs)):
        return paragraphs
    if told or (words and several):
        groups = by_speaker(words) if told else [words]
        if several:
            sentence = "words of a channel were put together up to the ends of sentences and pauses of a second"
            notes.say(sentence, count=0)  # said once, however many channels there are
            groups = [phrase for group in groups for phrase in by_phrase(group)]
        return [piece_of(group) for group in groups]
    text = text_in(alternative, "transcript")
    return [_whole(text, words)] if text else []


def _whole(text: str, words: Sequence[Word]) -> Piece:
    return piece_of(words, text) if words else Piece(text, 1)


def _paragraphs(alternative: Fields, notes: Notes) -> list[Piece]:
    found: list[Piece] = []
    entries: Any = fields_in(alternative, "paragraphs").get("paragraphs")
    for number, entry in objects_of(entries, "paragraphs", notes):
        sentences = (
            text_in(sentence, "text") for _, sentence in objects_of(entry.get("sentences"), "sentences", notes)
        )
        if text := spoken_in({"text": " ".join(filter(None, sentences))}, number, notes, "text"):
            start, end = seconds(entry.get("start")), seconds(entry.get("end"))
            found.append(Piece(text, number, speaker_of(entry.get("speaker"), notes), start, end))
    return found


def _words(alternative: Fields, notes: Notes) -> list[Word]:
    return [
        Word(text, number, speaker_of(word.get("speaker"), notes), seconds(word.get("start")), seconds(word.get("end")))
        for number, word in objects_of(alternative.get("words"), "words", notes)
        if (text := text_in(word, "punctuated_word", "word"))
    ]


FORMAT: Final = TranscriptFormat("deepgram", _recognizes, _read)
