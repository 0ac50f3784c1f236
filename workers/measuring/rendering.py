"""Rendering a claim's documents: each as tokens, or why it cannot be read; here or in a helper's process."""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from attention.errors import DocumentRefused, HearkenError
from attention.model.model import Model, ModelFacts
from attention.text.documents import Rendered
from attention.text.tokens import FastTokenizer
from models.queries.queue.claims import ClaimedItem
from models.queries.writing.storing import Key
from models.work import WorkOptions
from workers.measuring.documents import key_of, render_content

UNEXPECTED = (
    HearkenError.code,
    "Measuring this document failed in a way that was not foreseen; the operator's log tells more.",
)


@dataclass(frozen=True, slots=True)
class ModelReader:
    """What rendering needs of a model: its tokenizer, and what is known of it."""

    tokenizer: FastTokenizer
    facts: ModelFacts

    @classmethod
    def of(cls, model: Model) -> "ModelReader":
        """The reader of a loaded model."""
        return cls(model.tokenizer, model.facts)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document as tokens, the name of its measurement, and how long reading it took."""

    rendered: Rendered
    work_key: bytes
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a document cannot be read: the reason and the message of its failure, and the trace of a mistake of ours."""

    why: tuple[str, str]
    trace: str | None = None


Work = tuple[dict[str, Any], WorkOptions]
"""The content of a document and the options of its work."""


def read_documents(reader: ModelReader, works: Sequence[Work]) -> list[ReadDocument | Unreadable]:
    """Each document as tokens, in their order; one that cannot be read does not hold up the others."""
    return [_read(reader, content, options) for content, options in works]


def _read(reader: ModelReader, content: dict[str, Any], options: WorkOptions) -> ReadDocument | Unreadable:
    begun = time.perf_counter()
    try:
        rendered = render_content(reader, content, options)
        work_key = key_of(reader, rendered, options)
    except DocumentRefused as refusal:
        return Unreadable((refusal.code, str(refusal)))
    except Exception:  # whatever it is, it fails this document alone
        return Unreadable(UNEXPECTED, traceback.format_exc())
    return ReadDocument(rendered, work_key, (time.perf_counter() - begun) * 1000)


@dataclass(slots=True)
class RenderedItem:
    """A work item with its document as tokens, and the claim's other items that lead to the same measurement."""

    item: ClaimedItem
    rendered: Rendered
    work_key: bytes
    tokenize_ms: float
    duplicates: list["RenderedItem"] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """The name of its measurement."""
        return self.item.tenant_id, self.work_key

    @property
    def all(self) -> list["RenderedItem"]:
        """Itself and its duplicates."""
        return [self, *self.duplicates]


def without_duplicates(items: Sequence[tuple[ClaimedItem, ReadDocument]]) -> list[RenderedItem]:
    """Rendered items, one for each measurement that they lead to."""
    found: dict[Key, RenderedItem] = {}
    for item, read in items:
        entry = RenderedItem(item, read.rendered, read.work_key, read.milliseconds)
        if entry.key in found:
            found[entry.key].duplicates.append(entry)
        else:
            found[entry.key] = entry
    return list(found.values())
