"""Bodies of requests: their type, and never more of their bytes in memory than the limit."""

import asyncio
import json
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.http.problems import BODY_TOO_LARGE, MALFORMED_JSON, UNSUPPORTED_MEDIA_TYPE, Problem

PIECE_BYTES = 1 << 20

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def refuse_large_body(actual: int, limit: int, *, at_least: bool = False) -> None:
    """Raise a `Problem` when `actual` bytes are more than the limit."""
    if actual > limit:
        size = f"at least {actual}" if at_least else str(actual)
        raise Problem(
            BODY_TOO_LARGE,
            f"The body has {size} bytes; the limit is {limit}.",
            limit=limit,
            actual=actual,
            headers={"Connection": "close"},
        )


def declared_length(request: Request) -> int:
    """The number in `Content-Length`; 0 without a valid one."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0


def media_type(request: Request) -> str:
    """The media type of the body without its parameters, in lower case; empty where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_encoded_body(request: Request) -> None:
    """Raise a `Problem` for a compressed body, whose size is unknown until it is unpacked."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"The body is encoded as {encoding!r}; send it as it is.")


async def read_in_pieces(pieces: AsyncIterator[bytes], limit: int, take: Callable[[bytes], None]) -> None:
    """Give a body to `take`, a megabyte at a time and in a thread. Raises a `Problem` when it passes the limit."""
    received, gathered = 0, bytearray()
    async for piece in pieces:
        received += len(piece)
        refuse_large_body(received, limit, at_least=True)
        gathered += piece
        if len(gathered) >= PIECE_BYTES:
            await asyncio.to_thread(take, bytes(gathered))
            gathered.clear()
    await asyncio.to_thread(take, bytes(gathered))


class LimitedRequest(Request):
    """A request whose body is read up to the limit and no further. `parsed` is its JSON, once it was checked."""

    parsed: Any = None

    async def json(self) -> Any:
        """The body, parsed."""
        return self.parsed

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces. Raises a `Problem` when it passes `max_body_bytes`."""
        limit = self.app.state.context.settings.max_body_bytes
        received = 0
        async for chunk in super().stream():
            received += len(chunk)
            refuse_large_body(received, limit, at_least=True)
            yield chunk


class JsonRoute(APIRoute):
    """A route whose body is JSON, or none."""

    def get_route_handler(self) -> Handler:
        """The handler, with the body checked before it is parsed."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            limited = LimitedRequest(request.scope, request.receive)
            if self.body_field is not None:
                limited.parsed = await read_json(limited)
            return await handle(limited)

        return checked


def is_json(kind: str) -> bool:
    """Whether a media type is that of JSON."""
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def read_json(request: LimitedRequest) -> Any:
    """The JSON of a body. Raises a `Problem` for another type, too many bytes, and what is no JSON."""
    kind = media_type(request)
    if not is_json(kind):
        given = f"{kind!r} was sent" if kind else "no type was sent"
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Send `Content-Type: application/json`; {given}.")
    refuse_encoded_body(request)
    refuse_large_body(declared_length(request), request.app.state.context.settings.max_body_bytes)
    body = await request.body()
    try:
        return json.loads(body.removeprefix(BOM_UTF8).decode(), parse_constant=_no_constant)
    except RecursionError:
        raise Problem(MALFORMED_JSON, "The body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise Problem(MALFORMED_JSON, "The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Problem(MALFORMED_JSON, f"Reading stopped at {place}: {error.msg}.") from None
    except ValueError as error:
        raise Problem(MALFORMED_JSON, f"The body has a value that JSON cannot carry: {error}.") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
