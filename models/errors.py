"""Requests that are refused because of what is stored, as one tree. `code` is the problem type of the answer.

Refused
├── NotFound              no such thing, or not this tenant's
├── DatasetUnknown        a request names a data set that is not there
├── NoDocuments           nothing in the data set matches
├── TooFewDocuments       a group too small to say anything about
├── QueueFull             more waiting documents than a tenant may have
├── StillInUse            an unfinished job needs what was to be deleted
├── KeyInProgress         the first request with this Idempotency-Key has not been accepted yet
├── KeyReused             the Idempotency-Key came with another request before
└── KeyForgotten          what the first request made has been deleted since
"""

# ruff: noqa: N818 - the names say what happened

from typing import ClassVar, TypeVar

Thing = TypeVar("Thing")


class Refused(Exception):
    """What is stored does not allow the request; the message says why and what to do."""

    code: ClassVar[str]
    pointer: str | None = None
    limit: int | None = None
    actual: int | None = None


class NotFound(Refused):
    """There is no such thing, or it is another tenant's, which is not told apart."""

    code = "not-found"


def found(thing: Thing | None, name: str, identifier: str) -> Thing:
    """What a query found. Raises `NotFound` where that is nothing; `name` is what a client calls such a thing."""
    if thing is None:
        raise NotFound(f"There is no {name} {identifier}.")
    return thing


class DatasetUnknown(Refused):
    """A request names a data set that is not there."""

    code = "dataset-unknown"

    def __init__(self, dataset_id: str, pointer: str) -> None:
        super().__init__(f"There is no data set {dataset_id}. `GET /v1/datasets` lists what there is.")
        self.pointer = pointer


class NoDocuments(Refused):
    """Nothing in the data set matches."""

    code = "no-documents"

    def __init__(self, dataset_id: str, domain: str | None, pointer: str) -> None:
        wanted = f" of the domain {domain!r}" if domain is not None else ""
        super().__init__(f"The data set {dataset_id} has no documents{wanted}.")
        self.pointer = pointer


class TooFewDocuments(Refused):
    """A group too small to say anything about."""

    code = "too-few-documents"

    def __init__(self, group: str, actual: int, limit: int, pointer: str) -> None:
        super().__init__(
            f"The group {group!r} has {actual} documents; a comparison needs at least {limit} in each group."
        )
        self.pointer, self.actual, self.limit = pointer, actual, limit


class QueueFull(Refused):
    """More waiting documents than a tenant may have."""

    code = "queue-full"

    def __init__(self, actual: int, limit: int) -> None:
        super().__init__(
            f"With this request {actual} documents would be waiting, and the limit is {limit}. "
            "Wait until some are done, or cancel a job."
        )
        self.actual, self.limit = actual, limit


class StillInUse(Refused):
    """An unfinished job needs what was to be deleted."""

    code = "still-in-use"

    def __init__(self, what: str, job_id: str) -> None:
        super().__init__(f"{what} is needed by the unfinished job {job_id}. Cancel that job, or wait until it is done.")


class KeyInProgress(Refused):
    """The first request with this Idempotency-Key has not been accepted yet."""

    code = "idempotency-key-in-progress"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is being accepted just now. Send it again in a moment.")


class KeyReused(Refused):
    """The Idempotency-Key came with another request before."""

    code = "idempotency-key-reused"
    pointer = "header:Idempotency-Key"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with a different request before. Use a new key for a new request.")


class KeyForgotten(Refused):
    """What the first request made has been deleted since."""

    code = "idempotency-key-forgotten"
    pointer = "header:Idempotency-Key"

    def __init__(self) -> None:
        super().__init__("What the first request with this Idempotency-Key made has been deleted. Use a new key.")
