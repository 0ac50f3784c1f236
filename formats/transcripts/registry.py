"""Every transcript format, in the order in which a content is held against them, and what a content is taken for."""

from collections.abc import Mapping
from typing import Final

from formats.errors import BadTranscript, UnknownFormat
from formats.transcripts.captions import sbv, srt, webvtt
from formats.transcripts.chats import discord, slack, telegram, whatsapp
from formats.transcripts.corpora import chat, elan, rttm
from formats.transcripts.meetings import lines, meet, otter, teams, zoom
from formats.transcripts.pieces import Content, TranscriptFormat
from formats.transcripts.recognizers import assemblyai, aws, deepgram, openai, whisper

AUTO: Final = "auto"

_IN_ORDER: Final = (
    rttm, webvtt, chat, srt, sbv, aws, deepgram, assemblyai, openai, whisper, telegram, discord, slack, whatsapp, elan,
    zoom, teams, meet, otter, lines,
)  # fmt: skip
"""From formats with unmistakable signs to those that are told by their shape alone."""

FORMATS: Final[Mapping[str, TranscriptFormat]] = {module.FORMAT.name: module.FORMAT for module in _IN_ORDER}


def format_of(content: Content, name: str = AUTO) -> TranscriptFormat:
    """The format of that name, or with `auto` the first whose shape the content has.

    Raises ValueError for a name that is none, UnknownFormat where nothing recognizes the content.
    """
    if name != AUTO:
        if name not in FORMATS:
            raise ValueError(f"`{name}` is no transcript format; there are auto, {', '.join(sorted(FORMATS))}")
        return FORMATS[name]
    for each in FORMATS.values():
        if each.recognizes(content):
            return each
    if not content.text.strip():
        raise BadTranscript("the transcript is empty")
    if content.text.lstrip()[:1] in ("{", "[") and content.json is None:
        raise UnknownFormat("it begins as JSON and is no whole JSON value: it is cut off or damaged, or is a data set")
    raise UnknownFormat(
        "the content has the shape of no transcript format that is known; name its `format`, write it as lines "
        "`Name: what was said`, or send it as a text",
        1,
    )
