"""The request headers that change how a request is treated: `Prefer`, `Cancel-After`, `Idempotency-Key`."""

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Header

from models.queries.writing.idempotency import IdempotencyKey
from service.http.problems import BAD_HEADER, field_problem

LONGEST_WAIT = 60.0

PreferHeader = Annotated[
    str | None,
    Header(description="`respond-async`: answer at once with the job. `wait=N`: wait up to N seconds (0 to 60)."),
]
CancelAfterHeader = Annotated[
    str | None, Header(description="Such as `90s`: a job that is not done by then is cancelled.", examples=["90s"])
]
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(description="The same key with the same request finds the first answer again, for 24 hours."),
]


@dataclass(frozen=True, slots=True)
class Preference:
    """How long the request waits, and the part of `Prefer` that is followed, for `Preference-Applied`."""

    seconds: float
    applied: str | None

    @property
    def headers(self) -> dict[str, str]:
        """The header that says which preference was followed."""
        return {"Preference-Applied": self.applied} if self.applied else {}


def read_preference(prefer: str | None, default_seconds: float) -> Preference:
    """What `Prefer` asks for. Unknown and malformed preferences are ignored, as RFC 7240 requires."""
    asynchronous, wait = False, None
    for part in (prefer or "").split(","):
        name, _, value = part.partition(";")[0].partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "respond-async":
            asynchronous = True
        elif name == "wait" and wait is None and re.fullmatch(r"\d{1,6}(\.\d{1,3})?", value):
            wait = min(float(value), LONGEST_WAIT)
    if wait is not None:
        return Preference(wait, f"wait={wait:g}")
    return Preference(0.0, "respond-async") if asynchronous else Preference(default_seconds, None)


def read_cancel_after(value: str | None) -> timedelta | None:
    """The time of a `Cancel-After` such as `90s`. Raises a `Problem` when it is none."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,7}(?:\.\d{1,3})?)s", value.strip())
    if not found or not 0 < float(found[1]) < math.inf:
        raise field_problem(BAD_HEADER, "header:Cancel-After", "Give seconds, more than none: `Cancel-After: 90s`.")
    return timedelta(seconds=float(found[1]))


def read_idempotency_key(
    key: str | None, hours: float, method: str, path: str, body_digest: bytes
) -> IdempotencyKey | None:
    """The key with the digest of the whole request: method, path with query, and body. Raises a `Problem`."""
    if key is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise field_problem(
            BAD_HEADER, "header:Idempotency-Key", "Give 1 to 255 visible ASCII characters, for example a UUID."
        )
    request = hashlib.sha256(f"{method} {path}\0".encode() + body_digest).digest()
    return IdempotencyKey(key, request, hours)
