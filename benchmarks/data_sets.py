"""The documents that are measured as data sets: the corpora that an environment variable names, or the samples."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attention.text.documents import Document, Turn

CORPORA = "HEARKEN_CORPORA"
SAMPLES = Path(__file__).parent.parent / "samples"


@dataclass(frozen=True, slots=True)
class DataSet:
    """One file of documents."""

    name: str
    documents: list[Document]


def data_sets() -> Iterator[DataSet]:
    """The JSON Lines files of the corpora folder, or of the samples."""
    folder, kind = (Path(os.environ[CORPORA]), "corpora") if CORPORA in os.environ else (SAMPLES, "samples")
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            documents = [_document(json.loads(line)) for line in lines if line.strip()]
        if documents:
            yield DataSet(f"{path.stem} ({kind})", documents)


def _document(record: dict[str, Any]) -> Document:
    if "turns" in record:
        return Document(turns=tuple(Turn(turn["speaker"], turn["text"]) for turn in record["turns"]))
    if "messages" in record:
        turns = tuple(Turn(message["role"], message["content"]) for message in record["messages"])
        return Document(turns=turns, messages=True)
    return Document(text=record["text"])
