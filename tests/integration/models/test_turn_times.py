"""The times of turns and what a transcript was read as come with an analysis, and times only where they are its own."""

from typing import Any

import pytest
from seeded_analyses import add_analyses
from sqlalchemy import Engine, select, update

from models.queries.reading.analyses import StoredAnalysis, read_analysis
from models.tables import LOCAL_TENANT, analysis, document, work_item

TURNS = [
    {"speaker": "Ana", "text": "a", "start": 0.5, "end": 2},
    {"speaker": "Bo", "text": "b"},
    {"speaker": "Ana", "text": "c", "start": 1e6, "end": None},
    {"speaker": "Bo", "text": "d", "end": -0.25},
]
MESSAGES = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None}] * 2}
READING = {"format": "webvtt", "cues": 4, "turns": 4, "speakers": {"Ana": 2, "Bo": 2}, "unnamed": 0, "notes": []}


def conversation(engine: Engine, content: dict[str, Any], **more: Any) -> str:
    """The analysis of a conversation with four turns."""
    options = {"control": None} | more.pop("options", {})
    with engine.begin() as connection:
        job_id = add_analyses(connection, 2)
        place = analysis.c.job_id == job_id, document.c.position == 2
        row = connection.execute(
            select(analysis.c.id, analysis.c.document_id, analysis.c.work_item_id)
            .join_from(analysis, document)
            .where(*place)
        ).one()
        connection.execute(update(document).where(document.c.id == row.document_id).values(content=content, **more))
        connection.execute(update(work_item).where(work_item.c.id == row.work_item_id).values(options=options))
    return str(row.id)


def stored(engine: Engine, analysis_id: str, *parts: str) -> StoredAnalysis:
    with engine.connect() as connection:
        found = read_analysis(connection, LOCAL_TENANT, analysis_id, parts=set(parts))
    assert found is not None
    return found


def test_times_are_read_in_the_order_of_turns_where_turns_are_asked_for(engine: Engine) -> None:
    made = conversation(engine, {"turns": TURNS}, reading=READING)
    found = stored(engine, made, "turns")
    assert found.times == [(0.5, 2.0), (None, None), (1e6, None), (None, -0.25)]
    assert found.row.reading == READING
    assert stored(engine, made).times == ()
    assert stored(engine, made, "flow").times == ()


@pytest.mark.parametrize("content", [MESSAGES, {"text": "a"}])
def test_what_has_no_turns_of_its_own_has_no_times_and_no_reading(engine: Engine, content: dict[str, Any]) -> None:
    found = stored(engine, conversation(engine, content), "turns")
    assert list(found.times) == []
    assert found.row.reading is None


def test_turns_that_were_measured_in_another_order_have_no_times(engine: Engine) -> None:
    for control, known in (("shuffled_turns", 0), ("permuted_speakers", 4), ("shuffled_tokens", 4)):
        found = stored(engine, conversation(engine, {"turns": TURNS}, options={"control": control}), "turns")
        assert len(found.times) == known, control
