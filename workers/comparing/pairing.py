"""The same documents under several models: distances in words, since a token is not the same thing to two models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from attention.comparison import ComparisonSettings, Group, compare
from attention.text.script import plain_script
from attention.text.spans import count_words, sample_spans
from models.queries.reading.summaries import contents_of_group
from models.work import WorkOptions
from workers.measuring.documents import read_content

DISTANCE: Final = "distance"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One group, and how many tokens a word had in each of its documents (n,); NaN where that is not known.

    `first` is the group with the numbers of its documents' first windows, None where there are none.
    """

    group: Group
    tokens_per_word: NDArray[np.float64]
    first: Group | None = None


def words_of_group(connection: Connection, job_id: str, position: int, options: WorkOptions) -> dict[str, int]:
    """Document id -> words in the windows that were read of it. `options` sample by characters."""
    sampling = options.sampling
    assert sampling is not None
    assert sampling.window_characters is not None
    found = {}
    for document_id, content in contents_of_group(connection, job_id, position):
        text = plain_script(replace(read_content(content), messages=False), options.labels).text
        spans = sample_spans(text, characters=sampling.window_characters, count=sampling.count, seed=sampling.seed)
        found[document_id] = count_words(text, spans)
    return found


def distance_in_words(readings: Sequence[Reading], settings: ComparisonSettings) -> dict[str, Any]:
    """`distance_words`: each document's distance in tokens over its own tokens a word, compared like any metric."""
    groups = [_in_words(reading) for reading in readings]
    chosen = replace(settings, metrics=(DISTANCE,), by_head=False, separability=False, maps=())
    found = compare(groups, chosen).as_dict()
    named = {reading.group.name: reading.tokens_per_word for reading in readings}
    return {
        "metric": "distance_words",
        "unit": "words",
        "tokens_per_word": {name: _mean(named[name]) for name in sorted(named)},
        "overall": found["overall"][DISTANCE],
        "layers": [{"layer": row["layer"], **row[DISTANCE]} for row in found["layers"]],
        "paired": [{**pair, "metric": "distance_words"} for pair in found["paired"]],
    }


def _in_words(reading: Reading) -> Group:
    group, rate = reading.group, reading.tokens_per_word
    return Group(
        name=group.name,
        model=group.model,
        analysis_ids=group.analysis_ids,
        overall=_divided(group.overall, rate),
        layers=_divided(group.layers, rate[:, None]),
        clusters=group.clusters,
        documents=group.documents,
        skipped=group.skipped,
    )


def _divided(values: Mapping[str, NDArray[Any]], rate: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {DISTANCE: np.asarray(values[DISTANCE], np.float64) / rate}


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
