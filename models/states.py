"""The states that things go through, by the words that the database keeps and the API says. Imports nothing heavy."""

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """How far a job is. Only a comparison is summarizing: its documents are measured, its statistics are not done."""

    QUEUED = "queued"
    RUNNING = "running"
    SUMMARIZING = "summarizing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING, JobState.SUMMARIZING)
"""A job in one of these has work before it."""
FINISHED: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
"""A job in one of these stays as it is."""


class ItemState(StrEnum):
    """How far a work item is: one document to be measured for one job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_ITEMS: Final = (ItemState.QUEUED, ItemState.RUNNING)
"""A work item in one of these is not settled."""


class SummaryState(StrEnum):
    """How far the summary of a comparison is; it waits until the last of its documents is settled."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_SUMMARIES: Final = (SummaryState.QUEUED, SummaryState.RUNNING)
"""A summary in one of these is on its way."""


class InquiryState(StrEnum):
    """How far an inquiry is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


OPEN_INQUIRIES: Final = (InquiryState.QUEUED, InquiryState.RUNNING)
"""An inquiry in one of these has no answer yet."""


class ModelState(StrEnum):
    """What the workers have said of a model of the models file."""

    REGISTERED = "registered"
    LOADING = "loading"
    READY = "ready"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


class SegmentState(StrEnum):
    """How far a graph over vectors is; a search uses those that are ready, which meet without a gap."""

    BUILDING = "building"
    READY = "ready"
    REPLACED = "replaced"
