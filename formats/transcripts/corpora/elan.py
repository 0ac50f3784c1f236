"""ELAN's export as tab-delimited text or CSV: a row an annotation, or a row a time with a column for each tier."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.corpora.time_columns import TimeColumns, time_columns
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat

_SAMPLE: Final = 30
_ROWS_TOLD: Final = 2_000
"""By so many rows the columns are told."""
_DOCUMENT: Final = "<ANNOTATION_DOCUMENT"
_UNIT: Final = re.compile(r"hh:mm:ss|ss\.m|\bmsec\b|\bPAL\b|\bNTSC\b|SMPTE|begin time|end time", re.IGNORECASE)
"""What stands in the headings of ELAN's times in every language."""
_COLUMNS: Final = frozenset({"tier", "tier name", "annotation", "annotation value"})
_DEFAULT_TIER: Final = "default"
"""The tier with which ELAN begins a file: it is named for nobody."""
_MOST_TIERS: Final = 20


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows without their heading, where that has one, and where their times stand."""

    heading: Sequence[str]
    rows: Sequence[_Row]
    times: TimeColumns

    @property
    def by_column(self) -> bool:
        """Whether each tier has a column, named in the heading."""
        return self.times.first == 0 and len(self.heading) > self.times.past


@dataclass(frozen=True, slots=True)
class _Annotation:
    tier: str
    participant: str
    piece: Piece


def _recognizes(content: Content) -> bool:
    if _is_document(content):
        return True
    table = _table(islice(_rows(content), _SAMPLE))
    if table is None or table.times.past >= max(len(row.cells) for row in table.rows):
        return False
    if any(len(row.cells) < table.times.past for row in table.rows[:-1]):
        return False
    if table.heading:
        times = table.heading[table.times.first : table.times.past]
        if times and all(_UNIT.search(cell) for cell in times):
            return True
        if not _COLUMNS & {cell.casefold() for cell in table.heading}:
            return False
    return table.times.told or _is_told_by_tiers(table)


def _is_told_by_tiers(table: _Table) -> bool:
    """Whether no annotation of a tier begins before the one before it ends, nor ends before it begins: ELAN's rule."""
    ends: dict[str, float] = {}
    for row in table.rows:
        start, end = table.times.span(row.cells)
        if start is None or end is None or end < start or start < ends.get(row.cells[0], 0.0):
            return False
        ends[row.cells[0]] = end
    return table.times.first > 0 and table.times.duration is None and len(table.rows) > 1


def _is_document(content: Content) -> bool:
    return content.text.lstrip()[:1] == "<" and _DOCUMENT in content.text[:3000]


def _read(content: Content) -> Parsed:
    if _is_document(content):
        raise BadTranscript(
            "it is ELAN's own file (.eaf); export the tiers of speech from ELAN: File > Export As > Tab-delimited Text"
        )
    table = _table(_rows(content))
    if table is None:
        raise BadTranscript(
            "it has no columns of times between tabs; export it from ELAN with begin and end time: File > Export As > "
            "Tab-delimited Text"
        )
    notes = Notes()
    files = {cell for row in table.rows for cell in row.cells[table.times.past + 1 :] if cell.endswith(".eaf")}
    if len(files) > 1:
        raise BadTranscript(f"it holds the annotations of {len(files)} files; export each by itself")
    annotations = list(_by_column(table, notes) if table.by_column else _by_row(table, notes))
    if annotations and all(annotation.piece.start is None for annotation in annotations):
        notes.say("its times count frames, whose length is not known, so that turns have no times")
    return _parsed(_in_order(annotations, notes), notes)


def _rows(content: Content) -> Iterator[_Row]:
    """The rows of a table between tabs, or commas where there are no tabs; without comments and empty lines."""
    lines = content.lines
    if any("\t" in line for line in lines[:_SAMPLE]):
        rows: Iterable[_Row] = (_Row(number, line.split("\t")) for number, line in enumerate(lines, start=1))
    else:
        rows = _comma_rows(lines)
    return (
        row for row in rows if any(cell.strip() for cell in row.cells) and not row.cells[0].lstrip('"').startswith("#")
    )


def _comma_rows(lines: Sequence[str]) -> Iterator[_Row]:
    reader = csv.reader(f"{line}\n" for line in lines)
    try:
        for cells in reader:
            yield _Row(reader.line_num, cells)
    except csv.Error:  # a cell of more than 128 KiB: no annotation
        return


def _table(rows: Iterable[_Row]) -> _Table | None:
    found = list(rows)
    if not found:
        return None
    heading = found[0].cells
    for names, body in ((heading, found[1:]), ([], found)):
        times = time_columns([row.cells for row in body[:_ROWS_TOLD]], names)
        if times is not None and not (names and times.begin_in(names)):
            return _Table([name.strip() for name in names], body, times)
    return None


def _by_row(table: _Table, notes: Notes) -> Iterator[_Annotation]:
    times = table.times
    for row in table.rows:
        cells = [cell.strip() for cell in row.cells]
        if len(cells) < times.past:
            notes.say("rows without all their columns are left out", line=row.number)
            continue
        text = cells[times.past] if len(cells) > times.past else ""
        if not text:
            notes.say("annotations without text are left out", line=row.number)
            continue
        if any(cells[times.past + 1 :]):
            notes.say("what stands behind the annotations (descriptions, names of files) is left out")
        tier = cells[0] if times.first else ""
        participant = cells[1] if times.first > 1 else ""
        start, end = times.span(cells)
        yield _Annotation(tier, participant, Piece(text, row.number, tier or None, start, end))


def _by_column(table: _Table, notes: Notes) -> Iterator[_Annotation]:
    times = table.times
    for row in table.rows:
        cells = [cell.strip() for cell in row.cells]
        if len(cells) <= times.past:
            notes.say("rows without all their columns are left out", line=row.number)
            continue
        start, end = times.span(cells)
        for tier, text in zip(table.heading[times.past :], cells[times.past :], strict=False):
            if text and tier and not text.endswith(".eaf"):
                yield _Annotation(tier, "", Piece(text, row.number, tier, start, end))


def _in_order(annotations: Sequence[_Annotation], notes: Notes) -> list[_Annotation]:
    """By begin; an annotation without one stays behind the one before it."""
    starts: list[float] = []
    for annotation in annotations:
        start = annotation.piece.start
        starts.append((starts[-1] if starts else 0.0) if start is None else start)
    order = sorted(range(len(annotations)), key=starts.__getitem__)
    if order != list(range(len(annotations))):
        notes.say("the annotations of all tiers were put in order of their begin")
    return [annotations[index] for index in order]


def _parsed(annotations: Sequence[_Annotation], notes: Notes) -> Parsed:
    tiers = list(dict.fromkeys(annotation.tier for annotation in annotations))
    names = _participants(annotations)
    if set(tiers) <= {"", _DEFAULT_TIER}:
        if _DEFAULT_TIER in tiers:
            notes.say("its one tier is named for nobody, so that names may stand before colons")
        pieces = [replace(annotation.piece, speaker=None) for annotation in annotations]
        return Parsed("cues", False, pieces, notes)
    if names:
        for tier, name in names.items():
            if tier != name:
                notes.say("the tier {} is of the participant {}, who was taken for its speaker", tier, name)
    elif tiers:
        shown = ", ".join("{}" for _ in tiers[:_MOST_TIERS])
        more = f" and {len(tiers) - _MOST_TIERS} more" if len(tiers) > _MOST_TIERS else ""
        notes.say(f"each tier was taken for a speaker: {shown}{more}", *tiers[:_MOST_TIERS])
    _note_dependent(annotations, tiers, notes)
    pieces = [replace(each.piece, speaker=names.get(each.tier, each.tier) or None) for each in annotations]
    return Parsed("cues", True, pieces, notes)


def _participants(annotations: Sequence[_Annotation]) -> dict[str, str]:
    """Who speaks on each tier, where every tier has a participant and every participant one tier; else nothing."""
    pairs = {(annotation.tier, annotation.participant) for annotation in annotations}
    names = dict(pairs)
    if all(names.values()) and len(pairs) == len(names) == len(set(names.values())):
        return {annotation.tier: annotation.participant for annotation in annotations}
    return {}


def _note_dependent(annotations: Sequence[_Annotation], tiers: Sequence[str], notes: Notes) -> None:
    """Note every tier all of whose annotations have the very times of another tier's: it may be no speech."""
    by_span: dict[tuple[float | None, float | None], set[str]] = {}
    for annotation in annotations:
        by_span.setdefault((annotation.piece.start, annotation.piece.end), set()).add(annotation.tier)
    alone = {tier for together in by_span.values() if len(together) == 1 for tier in together}
    places = {tier: place for place, tier in enumerate(tiers)}
    for tier in tiers[:_MOST_TIERS]:
        beside = [together - {tier} for together in by_span.values() if tier in together]
        if tier in alone or len(beside) < 2 or not (others := set.intersection(*beside)):
            continue
        first = min(others, key=places.__getitem__)
        if places[first] < places[tier]:
            notes.say(
                "all annotations of {} have the times of those of {}: if it is a translation or an annotation of it, "
                "export it without that tier",
                tier,
                first,
            )


FORMAT: Final = TranscriptFormat("elan", _recognizes, _read)
