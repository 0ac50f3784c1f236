"""Rows of a search as the hits that clients are given."""

from typing import Any

from sqlalchemy import Row

from models.schemas.documents import Content
from models.schemas.search import Hit

SNIPPET = 240


def hit_view(row: Row[Any]) -> Hit:
    """A row of `nearest`."""
    said = row.said or row.message
    return Hit(
        analysis_id=row.analysis_id,
        analyses=row.analyses,
        turn=row.turn,
        speaker=_speaker(said),
        score=max(-1.0, min(1.0, 1.0 - float(row.distance))),
        domain=row.domain,
        external_id=row.external_id,
        snippet=_snippet(said),
    )


def _speaker(said: Content | None) -> str | None:
    """Who said a turn, or the role of a message; a whole document has none."""
    return None if said is None else said.get("speaker", said.get("role"))


def _snippet(said: Content | None) -> str:
    """How a document or turn begins, on one line."""
    if said is None:
        return ""
    if "turns" in said or "messages" in said:
        parts = (
            f"{entry.get('speaker', entry.get('role'))}: {words}"
            for entry in said.get("turns") or said["messages"]
            if (words := entry.get("text") or entry.get("content"))
        )
        text = ""
        for part in parts:
            text += part + " "
            if len(text) > SNIPPET:
                break
    else:
        text = said.get("text") or said.get("content") or ""
    line = " ".join(text[: 2 * SNIPPET].split())
    return line if len(line) <= SNIPPET else line[: SNIPPET - 1].rstrip() + "…"
