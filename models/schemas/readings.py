"""What a transcript or data set was read as, and the request that asks for nothing else."""

from typing import Any

from pydantic import BaseModel, Field, model_validator

from models.schemas.documents import Transcript
from models.schemas.strings import Request


class Reading(BaseModel):
    """What a transcript was taken for, and what of it could be otherwise."""

    format: str = Field(examples=["webvtt"])
    cues: int = Field(description="Pieces of speech in the file: cues, messages, lines or segments.")
    turns: int
    speakers: dict[str, int] = Field(description="The turns of each speaker, in order of first speech.")
    unnamed: int = Field(description="Pieces that name nobody and go on with the speaker before them.")
    notes: list[str] = Field(description="What was left out, and what was decided and could be otherwise.")


class ReadTurn(BaseModel):
    """One turn as it would be measured; times are seconds from the recording's beginning."""

    speaker: str
    text: str
    start: float | None = None
    end: float | None = None


class ReadDocument(BaseModel):
    """One document of a data set as it would be measured."""

    id: str | None
    domain: str | None
    labels: dict[str, str]
    text: str | None = None
    turns: list[ReadTurn] | None = None
    messages: list[dict[str, Any]] | None = None


class DatasetReading(BaseModel):
    """What a data set was taken for, and what of it could be otherwise."""

    container: str = Field(examples=["csv"])
    layout: str = Field(examples=["utterances"])
    encoding: str = Field(examples=["utf-8"])
    documents: int
    turns: int
    passed_over: dict[str, int] = Field(description="Fields that are no part of a document, and how often.")
    notes: list[str] = Field(description="What was left out, and what was decided and could be otherwise.")


class ReadingAnswer(BaseModel):
    """Of a transcript its turns; of a data set its first documents."""

    reading: Reading | DatasetReading
    turns: list[ReadTurn] | None = Field(default=None, description="Of a transcript.")
    documents: list[ReadDocument] | None = Field(default=None, description="Of a data set: the first twenty.")


class ReadingRequest(Request):
    """A `transcript` as `POST /v1/analyses` takes it, or its members by themselves."""

    transcript: Transcript

    @model_validator(mode="before")
    @classmethod
    def _members_alone(cls, sent: Any) -> Any:
        return {"transcript": sent} if isinstance(sent, dict) and "content" in sent else sent
