"""Receiving a data set: choose a container by the body's type, and read until the last document is checked."""

import hashlib
import json
from asyncio import to_thread
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial

from fastapi import Request

from formats.datasets.detection import container_named
from service.context import AppContext
from service.http.bodies import declared_length, media_type, read_in_pieces, refuse_encoded_body, refuse_large_body
from service.http.problems import INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE, Problem, field_problem
from service.uploads.forms import FORM, OF_READING, TAKEN, Form
from service.uploads.upload import Upload


async def receive(
    request: Request, context: AppContext, upload: Upload, asked: Mapping[str, str | None]
) -> tuple[dict[str, str], bytes]:
    """Read all of a body: (what is said of it, as `asked` in the address or as a form says, the digest of all sent).

    Raises a `Problem` for a body that is too large, of another type, has bad documents or none.
    """
    limit = context.settings.max_upload_bytes
    refuse_encoded_body(request)
    refuse_large_body(declared_length(request), limit)
    given = {name: value for name, value in asked.items() if value is not None}
    if media_type(request) == FORM:
        form = Form(request.headers["content-type"])
        await read_in_pieces(request.stream(), limit, partial(feed_form, form, upload, given))
        form.end()
        refuse_twice(form, given)
        given |= form.fields
        fields = json.dumps(form.fields, sort_keys=True).encode()
    else:
        container = container_named(media_type(request))
        if container is None:
            raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Send {TAKEN}; {media_type(request)[:100]!r} was sent.")
        upload.begin(container, options_of(given))
        await read_in_pieces(request.stream(), limit, upload.absorb)
        fields = b""
    async with context.unpacking if upload.unpacks else nullcontext():
        while await to_thread(upload.read_on):
            pass
    digest = bytes.fromhex(upload.sha256)
    return given, hashlib.sha256(digest + fields).digest() if fields else digest


def feed_form(form: Form, upload: Upload, given: Mapping[str, str], data: bytes) -> None:
    """Give the upload those of the form's next bytes that belong to the file, which is read as `given` and it say."""
    of_file = form.feed(data)
    if form.container is not None:
        if not upload.begun:
            refuse_twice(form, given)
            upload.begin(form.container, options_of({**given, **form.fields}))
        upload.absorb(of_file)


def options_of(given: Mapping[str, str]) -> dict[str, str]:
    """Of all that is said of a data set, how it is to be read."""
    return {name: value for name, value in given.items() if name in OF_READING}


def refuse_twice(form: Form, given: Mapping[str, str]) -> None:
    """Raise a `Problem` for what both the address and the form say."""
    if twice := sorted(form.fields.keys() & given.keys()):
        raise field_problem(INVALID_REQUEST, f"form:{twice[0]}", "The address gives it as well; give it once.")
