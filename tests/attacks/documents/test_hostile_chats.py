"""Attack: chats and texts of meetings made to take more than linear time. Each is read, or refused in words."""

import time

import pytest

from formats.errors import BadTranscript
from formats.transcripts.chats import discord, slack, telegram, whatsapp
from formats.transcripts.meetings import lines, meet, otter, teams, zoom
from formats.transcripts.pieces import Content

FORMATS = {
    module.FORMAT.name: module.FORMAT
    for module in (whatsapp, telegram, discord, slack, lines, otter, teams, meet, zoom)
}
N = 200_000
PHONE = "13/05/2024, 21:05 - Pia: "
RULES = "=" * 62 + "\nGuild: a\nChannel: b\n"
TEXTS = {
    "colons": ("Ana" + ":" * N, "lines"),
    "a name and blanks": ("Ana:" + " " * N, "lines"),
    "blanks in a name": ("Ana" + " " * N + "x", "lines"),
    "letters": ("A" * N, "lines"),
    "lines of white space": ("\x85" * N, "lines"),
    "stars": ("*" * N, "lines"),
    "stars before letters": ("**a" * N, "lines"),
    "brackets": ("[" * N, "lines"),
    "digits": ("1" * N, "lines"),
    "numbers": ("1. " * N, "lines"),
    "dates": ("1/" * N, "lines"),
    "times": ("00:" * N, "lines"),
    "dashes": ("- " * N, "lines"),
    "marks of direction": ("\u200e" * N, "lines"),
    "names alone": ("a:\n" * N, "lines"),
    "empty lines": ("\n" * N, "lines"),
    "brackets in a message": (PHONE + "<" * N, "whatsapp"),
    "marks in a message": (PHONE + "\u200e" * N, "whatsapp"),
    "names of files": (PHONE + "a.b" * N, "whatsapp"),
    "a file of brackets": (PHONE + "IMG-20240513-WA0001.jpg " + "(" * N, "whatsapp"),
    "lines of a message": (PHONE + "x\n" * N, "whatsapp"),
    "messages": ((PHONE + "x\n") * (N // 10), "whatsapp"),
    "headings": ("Pia  0:05\n" * (N // 10), "otter"),
    "headings and blanks": ("Pia" + " " * N + "0:05\nx", "otter"),
    "headings and lines": ("Pia  0:05\nx\n" * (N // 10), "teams"),
    "times without names": ("0:0:0.0 --> 0:0:3.1\n" * (N // 10), "teams"),
    "headers of a chat": ("[9:05 AM] Pia\n" * (N // 10), "teams"),
    "lists of who was there": ("Attendees\n" * N, "meet"),
    "who was there": ("Attendees\n" + "a\n" * N + "Transcript\nPia: a", "meet"),
    "transcripts": ("Transcript\n" * N, "meet"),
    "words to": ("21:05:12 From " + " to " * N, "zoom"),
    "reactions": ("21:05:12 From Pia to Everyone:\n\t" + 'Reacted to "' * N, "zoom"),
    "a name in brackets": ("[" + "a" * N + "] 21:05:12", "zoom"),
    "names": ("21:05:12\tPia:\t" * N, "zoom"),
    "who was added": (RULES + "[12-Mar-24 09:05 PM] pia\nAdded " + "a" * N, "discord"),
    "rules": ("=" * N, "discord"),
    "mentions": ('{"guild":{},"channel":{},"messages":[{"content":"' + "<@1" * N + '","author":{}}]}', "discord"),
    "mentions that do not end": ('[{"type":"message","ts":"1","user":"U","text":"' + "<@" * N + '"}]', "slack"),
    "labels that do not end": ('[{"type":"message","ts":"1","user":"U","text":"' + "<a|" * N + '"}]', "slack"),
    "nested lists": ('{"type":"private_group","messages":' + "[" * N, "telegram"),
}


@pytest.mark.parametrize(("content", "name"), TEXTS.values(), ids=TEXTS)
def test_no_chat_takes_more_than_linear_time(content: str, name: str) -> None:
    began = time.perf_counter()
    message, pieces = "", []
    try:
        pieces = list(FORMATS[name].read(Content(content)).pieces)
    except BadTranscript as refused:
        message = str(refused)
    assert len(message) < 500
    assert all(piece.text.strip() for piece in pieces)
    assert time.perf_counter() - began < 60


@pytest.mark.parametrize("content", [text for text, _ in TEXTS.values()][::4], ids=list(TEXTS)[::4])
def test_telling_formats_apart_takes_linear_time(content: str) -> None:
    began = time.perf_counter()
    for each in FORMATS.values():
        each.recognizes(Content(content))
    assert time.perf_counter() - began < 60
