"""What a transcript or data set would be read as: stores nothing and measures nothing."""

import tempfile
from asyncio import to_thread
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from formats.documents import Document, Transcript
from formats.errors import UnreadableFile
from formats.read import read
from models.schemas.datasets import DatasetBranches, DatasetLayout
from models.schemas.documents import Names, TranscriptFormat
from models.schemas.problems import FieldError
from models.schemas.readings import DatasetReading, ReadDocument, Reading, ReadingAnswer, ReadingRequest, ReadTurn
from service.auth.tenant import Secured
from service.context import AppContextDep
from service.http.bodies import (
    LimitedRequest,
    declared_length,
    is_json,
    media_type,
    read_in_pieces,
    read_json,
    refuse_encoded_body,
    refuse_large_body,
)
from service.http.openapi import problems
from service.http.problems import (
    BAD_DATASET,
    BODY_TOO_LARGE,
    CLASSES,
    MALFORMED_JSON,
    NO_DOCUMENTS,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
)
from service.jobs.content import read_as_asked
from service.uploads.upload import limits_of

router = APIRouter(prefix="/v1/readings", tags=["readings"], dependencies=[Secured])

SHOWN_DOCUMENTS = 20
_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON with a transcript, or any file that is read: a transcript, a data set, a zip.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ReadingRequest"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    openapi_extra=_BODY,
    responses=problems(
        BAD_DATASET, NO_DOCUMENTS, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON, *CLASSES["Documents"]
    ),
    response_model_exclude_unset=True,
)
async def create_reading(
    request: Request,
    context: AppContextDep,
    format: Annotated[  # noqa: A002 - the contract's word
        TranscriptFormat, Query(description="Of a file that is a transcript.")
    ] = "auto",
    layout: Annotated[DatasetLayout, Query(description="Of a file that is a data set.")] = "auto",
    names: Annotated[Names, Query()] = "keep",
    branches: Annotated[DatasetBranches, Query(description="Where records hold several conversations.")] = "preferred",
    file_name: Annotated[str, Query(max_length=500, description="Its ending helps to tell what the file is.")] = "",
) -> ReadingAnswer:
    """What would be measured of a transcript, or of any file sent as it is: its turns, or its first documents."""
    if is_json(media_type(request)):
        transcript = _asked(await read_json(LimitedRequest(request.scope, request.receive))).transcript
        return _of_transcript(await to_thread(read_as_asked, transcript))
    refuse_encoded_body(request)
    limit = context.settings.max_upload_bytes
    refuse_large_body(declared_length(request), limit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sent"
        with path.open("wb") as file:
            await read_in_pieces(request.stream(), limit, partial(_append, file))
        options = {
            "layout": layout,
            "names": names,
            "branches": branches,
            "file_name": file_name,
            "limits": limits_of(context.settings),
        }
        async with context.unpacking:
            return await to_thread(_of_file, path, format, options)


def _append(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _asked(sent: Any) -> ReadingRequest:
    try:
        return ReadingRequest.model_validate(sent)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None


def _of_transcript(found: Transcript) -> ReadingAnswer:
    turns = [ReadTurn.model_validate(asdict(turn)) for turn in found.turns]
    return ReadingAnswer(reading=Reading.model_validate(asdict(found.reading)), turns=turns)


def _of_file(path: Path, format: TranscriptFormat, options: dict[str, Any]) -> ReadingAnswer:  # noqa: A002
    try:
        found = read(path, format, **options)
        if isinstance(found, Transcript):
            return _of_transcript(found)
        first = list(islice(found, SHOWN_DOCUMENTS))
        for _ in found:
            pass
    except UnreadableFile as error:
        raise Problem(BAD_DATASET, str(error), errors=[FieldError(pointer="", message=str(error))]) from None
    if not first:
        raise Problem(NO_DOCUMENTS, "The data set has no documents.")
    documents = [_document(document) for document in first]
    return ReadingAnswer(reading=DatasetReading.model_validate(asdict(found.reading)), documents=documents)


def _document(document: Document) -> ReadDocument:
    said = {"id": document.id, "domain": document.domain, "labels": dict(document.labels)}
    return ReadDocument.model_validate(said | dict(document.content))
