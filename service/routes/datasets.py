"""Data sets: many documents at once, streamed in."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Row

from models.errors import found
from models.identifiers import new_identifier
from models.queries.reading.datasets import find_dataset, list_datasets
from models.queries.reading.jobs import Position
from models.queries.writing.datasets import NewDataset, store_dataset
from models.queries.writing.deletion import delete_dataset
from models.schemas.datasets import Dataset, DatasetBranches, DatasetLayout
from models.schemas.documents import Names
from models.schemas.listing import Page
from models.schemas.strings import Name, Storable
from service.auth.tenant import Secured, Tenant
from service.context import AppContextDep
from service.http.headers import IdempotencyKeyHeader, read_idempotency_key
from service.http.openapi import header_docs, problems
from service.http.paging import Cursor, Limit, newest_first, read_page
from service.http.problems import (
    BAD_CURSOR,
    BAD_DATASET,
    BAD_HEADER,
    BODY_TOO_LARGE,
    IDEMPOTENCY_KEY_FORGOTTEN,
    IDEMPOTENCY_KEY_IN_PROGRESS,
    IDEMPOTENCY_KEY_REUSED,
    NO_DOCUMENTS,
    NOT_FOUND,
    STILL_IN_USE,
    STORAGE_FULL,
    UNSUPPORTED_MEDIA_TYPE,
)
from service.jobs.submission import path_of
from service.uploads.receive import receive
from service.uploads.upload import Upload
from service.views.resources import dataset_view

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[Secured])

_LINE = {"$ref": "#/components/schemas/DatasetLine"}
_TEXT = {"type": "string"}
_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON Lines, a JSON array, CSV, Parquet, or a zip of a ConvoKit corpus or of transcripts. In a "
        "table documents have their fields in columns of their names, `labels` also as columns `labels.KEY`; in a cell "
        "of text `turns`, `messages` and `labels` are JSON. Utterance tables, ShareGPT, OpenAI, OASST and HH-RLHF are "
        "known by their fields. Or a form with one such file.",
        "content": {
            "application/x-ndjson": {
                "schema": _LINE,
                "example": '{"id": "a", "domain": "prose", "text": "It was late."}\n'
                '{"id": "b", "domain": "talk", "turns": [{"speaker": "Ana", "text": "Are you coming?"}]}\n',
            },
            "application/json": {"schema": {"type": "array", "items": _LINE}},
            "text/csv": {
                "schema": _TEXT,
                "example": 'id,domain,text,turns,labels.part\r\na,prose,"It was late, and cold.",,first\r\n'
                'b,talk,,"[{""speaker"": ""Ana"", ""text"": ""Are you coming?""}]",\r\n',
            },
            "text/tab-separated-values": {
                "schema": _TEXT,
                "example": "conversation_id\tspeaker\ttext\nc1\tAna\tAre you coming?\nc1\tBo\tYes, at six.\n",
            },
            "application/vnd.apache.parquet": {"schema": _FILE},
            "application/zip": {"schema": _FILE},
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "layout": _TEXT,
                        "branches": _TEXT,
                        "names": _TEXT,
                        "file": _FILE,
                        "name": _TEXT,
                        "domain": _TEXT,
                    },
                }
            },
        },
    }
}


@router.post(
    "",
    status_code=201,
    openapi_extra=_BODY,
    responses={
        201: {"description": "The data set.", "headers": header_docs(Location="Where the data set is.")},
        **problems(
            BAD_DATASET,
            NO_DOCUMENTS,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
            BAD_HEADER,
            IDEMPOTENCY_KEY_REUSED,
            IDEMPOTENCY_KEY_IN_PROGRESS,
            IDEMPOTENCY_KEY_FORGOTTEN,
            STORAGE_FULL,
        ),
    },
)
async def create_dataset(
    request: Request,
    response: Response,
    context: AppContextDep,
    tenant: Tenant,
    name: Annotated[Name | None, Query(description="What to call it; by default its domain or its id.")] = None,
    domain: Annotated[Name | None, Query(description="The domain of documents that name none.")] = None,
    layout: Annotated[
        DatasetLayout | None,
        Query(description="What the fields of records mean; `auto`, the default, tells it by them."),
    ] = None,
    branches: Annotated[
        DatasetBranches | None,
        Query(description="Where a record holds several conversations: `preferred`, the default, `rejected` or `all`."),
    ] = None,
    names: Annotated[Names | None, Query(description="`keep`, the default, or `pseudonyms`.")] = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> Dataset:
    """Store a data set in any form that is read: all of it or, where a record is bad, nothing."""
    dataset_id = new_identifier("ds")
    with Upload(context.settings, tenant, dataset_id) as upload:
        asked = {"name": name, "domain": domain, "layout": layout, "branches": branches, "names": names}
        given, digest = await receive(request, context, upload, asked)
        upload.domain = given.get("domain")
        key = read_idempotency_key(
            idempotency_key, context.settings.idempotency_hours, request.method, path_of(request), digest
        )
        reading = upload.reading
        new = NewDataset(
            dataset_id,
            given.get("name") or upload.domain or dataset_id,
            upload.sha256,
            upload.length,
            dict(reading.passed_over),
            asdict(reading),
        )
        row = await context.database.run(store_dataset, tenant, new, upload.blocks, key)
    response.headers["Location"] = f"/v1/datasets/{row.id}"
    return dataset_view(row)


@router.get("", responses=problems(BAD_CURSOR))
async def get_datasets(
    context: AppContextDep, tenant: Tenant, limit: Limit = 50, cursor: Cursor = None
) -> Page[Dataset]:
    """Data sets, newest first."""

    async def read(after: Position | None, limit: int) -> Sequence[Row[Any]]:
        return await context.database.run(list_datasets, tenant, after=after, limit=limit)

    return await read_page(newest_first("datasets"), cursor, limit, read, dataset_view)


@router.get("/{dataset_id}", responses=problems(NOT_FOUND))
async def get_dataset(dataset_id: Storable, context: AppContextDep, tenant: Tenant) -> Dataset:
    """One data set."""
    return dataset_view(found(await context.database.run(find_dataset, tenant, dataset_id), "data set", dataset_id))


@router.delete("/{dataset_id}", status_code=204, responses=problems(NOT_FOUND, STILL_IN_USE))
async def remove_dataset(dataset_id: Storable, context: AppContextDep, tenant: Tenant) -> None:
    """Forget a data set, its documents and every analysis of them; results of comparisons stay."""
    await context.database.run(delete_dataset, tenant, dataset_id)
