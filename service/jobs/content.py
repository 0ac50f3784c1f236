"""The content that is kept of what a request gives to be measured, and what a transcript was taken for."""

from dataclasses import asdict
from typing import Any

from formats.documents import Transcript as ReadTranscript
from formats.transcripts.read import read_transcript
from models.schemas.analyses import AnalysisRequest
from models.schemas.documents import Content, Transcript, content_of_messages, content_of_turns


def content_of_request(body: AnalysisRequest) -> tuple[Content, dict[str, Any] | None]:
    """The content, and the `reading` of a transcript. Raises `formats.errors.BadTranscript`."""
    if body.conversation is not None:
        return content_of_turns(body.conversation.turns), None
    if body.messages is not None:
        return content_of_messages(body.messages), None
    if body.transcript is not None:
        read = read_as_asked(body.transcript)
        return read.content, asdict(read.reading)
    return {"text": body.text}, None


def read_as_asked(transcript: Transcript) -> ReadTranscript:
    """A request's transcript, read. Raises `formats.errors.BadTranscript`."""
    return read_transcript(transcript.content, transcript.format, speakers=transcript.speakers, names=transcript.names)
