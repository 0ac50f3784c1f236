"""Pseudonyms: P1, P2, ... in place of names that must not be kept."""

from collections.abc import Iterable


def pseudonyms(speakers: Iterable[str]) -> dict[str, str]:
    """The pseudonym of each speaker, by the order in which they are first met."""
    return {speaker: f"P{number}" for number, speaker in enumerate(dict.fromkeys(speakers), start=1)}
