"""The groups of a comparison as its job left them in the database, with all that the statistics need."""

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from attention.comparison.groups import Group
from attention.comparison.paired_distances import words_in_windows
from attention.text.script import plain_script
from models.queries.reading.summaries import MeasuredGroup, contents_of_group, measured_group
from models.schemas.comparisons import ComparisonRequest
from workers.measuring.documents import read_content


def stored_groups(connection: Connection, job_id: str, request: ComparisonRequest, first: int = 0) -> list[Group]:
    """The groups of a settled request, whose documents stand at the job's positions from `first` on.

    Heads are left out where the groups' models differ in architecture.
    """
    positions = range(first, first + len(request.groups))
    measured = [measured_group(connection, job_id, position) for position in positions]
    one_architecture = len({found.architecture for found in measured}) == 1
    return [
        Group(
            name=requested.name,
            model=requested.model or request.model or "",
            analysis_ids=found.analysis_ids,
            layers=found.layers,
            overall=found.overall,
            heads=found.heads if one_architecture else None,
            embeddings=found.embeddings,
            layer_embeddings=found.layer_embeddings,
            clusters=found.clusters,
            documents=found.documents,
            skipped=found.skipped,
            first_windows=found.first_windows,
            tokens_per_word=_tokens_per_word(connection, job_id, position, request, found) if request.paired else None,
        )
        for position, requested, found in zip(positions, request.groups, measured, strict=True)
    ]


def _tokens_per_word(
    connection: Connection, job_id: str, position: int, request: ComparisonRequest, found: MeasuredGroup
) -> NDArray[np.float64]:
    """Tokens a word in the windows that were read of each document (n,); NaN where there is no word."""
    words = _words(connection, job_id, position, request)
    return found.own_tokens / np.array([words[name] or np.nan for name in found.documents], np.float64)


def _words(connection: Connection, job_id: str, position: int, request: ComparisonRequest) -> dict[str, int]:
    """Document id -> words in the windows that were read of it. The settled request samples by characters."""
    options = request.options()
    sampling = options.sampling
    assert sampling is not None
    assert sampling.window_characters is not None
    found = {}
    for document_id, content in contents_of_group(connection, job_id, position):
        text = plain_script(read_content(content), options.labels).text
        found[document_id] = words_in_windows(
            text, characters=sampling.window_characters, count=sampling.count, seed=sampling.seed
        )
    return found
