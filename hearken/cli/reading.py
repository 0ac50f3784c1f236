"""What a file was read as, in the terminal: format and speakers, the beginning of what was said, and the notes."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice

from rich.table import Table
from rich.text import Text

from formats.datasets.read import OpenedDataset
from formats.documents import Transcript
from hearken.cli.display import console

SHOWN_TURNS = 12
SHOWN_DOCUMENTS = 8


def show_reading(found: Transcript | OpenedDataset, as_json: bool = False) -> None:
    """The turns of a transcript, or the documents of a data set, and what they were taken for."""
    if isinstance(found, Transcript):
        if as_json:
            console.print_json(json.dumps(asdict(found), ensure_ascii=False))
        else:
            _show_transcript(found)
        return
    first = list(islice(found, SHOWN_DOCUMENTS))
    for _ in found:
        pass
    if as_json:
        shown = {"reading": asdict(found.reading), "documents": [asdict(document) for document in first]}
        console.print_json(json.dumps(shown, ensure_ascii=False))
        return
    reading = found.reading
    console.print(
        f"[bold]{reading.layout}[/] in {reading.container} ({reading.encoding}): {reading.documents:,} documents, "
        f"{reading.turns:,} turns"
    )
    table = Table.grid(padding=(0, 2))
    for document in first:
        table.add_row(Text(document.id or str(document.place), style="bold"), _beginning(document.content))
    console.print(table)
    if reading.passed_over:
        named = ", ".join(f"{name} ({count})" for name, count in reading.passed_over.items())
        show_notes([f"passed over: {named}"])
    show_notes(reading.notes)


def show_notes(notes: Iterable[str]) -> None:
    """What was decided and could be otherwise, a line each."""
    for note in notes:
        console.print(Text.assemble(("note ", "yellow"), note))


def _show_transcript(found: Transcript) -> None:
    reading = found.reading
    speakers = ", ".join(f"{name} ({count})" for name, count in reading.speakers.items())
    console.print(
        Text.assemble((reading.format, "bold"), f": {reading.cues} pieces, {reading.turns} turns of {speakers}")
    )
    if reading.unnamed:
        console.print(f"{reading.unnamed} of them name nobody and go on with the speaker before")
    table = Table.grid(padding=(0, 2))
    for turn in found.turns[:SHOWN_TURNS]:
        table.add_row(Text(_clock(turn.start), style="dim"), Text(turn.speaker, style="bold"), Text(turn.text))
    console.print(table)
    if len(found.turns) > SHOWN_TURNS:
        console.print(f"[dim]... and {len(found.turns) - SHOWN_TURNS} more turns[/]")
    show_notes(reading.notes)


def _beginning(content: object, most: int = 100) -> Text:
    said = json.dumps(content, ensure_ascii=False)
    if isinstance(content, dict):
        if "text" in content:
            said = " ".join(content["text"].split())
        else:
            entries = content.get("turns") or content.get("messages") or []
            said = "  ".join(
                f"{entry.get('speaker', entry.get('role'))}: {entry.get('text') or entry.get('content') or ''}"
                for entry in entries[:4]
            )
    return Text(said if len(said) <= most else f"{said[: most - 3]}...")


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
