"""Lines of `Name: what was said` are a turn each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention.errors import BadTranscript
from attention.text.documents import Turn
from attention.text.transcripts import read_transcript


def test_every_line_is_a_turn_even_of_the_same_speaker() -> None:
    assert read_transcript("Ana: Are you coming?\n\nBo: Yes.\nBo: At 10:30.\n", "lines") == (
        Turn("Ana", "Are you coming?"),
        Turn("Bo", "Yes."),
        Turn("Bo", "At 10:30."),
    )


def test_an_indented_line_goes_on_with_the_turn_above() -> None:
    assert read_transcript("Ana: first\n  second: still\n\tthird\nBo: no", "lines") == (
        Turn("Ana", "first\nsecond: still\nthird"),
        Turn("Bo", "no"),
    )


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("Ana: yes\nno colon here\n", 2, "does not begin with `Name: `: `no colon here`; indent"),
        ("  Ana: yes\n", 1, "does not begin"),
        (": yes\n", 1, "does not begin"),
        ("Ana: yes\nBo:\n", 2, "names Bo but has no text"),
        ("Ana: yes\r\n\r\nBo:   \r\n", 3, "names Bo but has no text"),
        ("", None, "no speech"),
    ],
)
def test_a_wrong_line_is_named_with_its_reason(content: str, line: int | None, reason: str) -> None:
    with pytest.raises(BadTranscript, match=reason) as refused:
        read_transcript(content, "lines")
    assert refused.value.line == line


SAID = st.text(st.sampled_from("abé שא日👍.:,!? "), min_size=1).map(str.strip).filter(bool)


@given(st.lists(st.tuples(st.sampled_from(["Ana", "Bo Smith", "דנה", "S_1"]), SAID), min_size=1))
def test_turns_written_as_lines_are_read_back(said: list[tuple[str, str]]) -> None:
    turns = tuple(Turn(*turn) for turn in said)
    assert read_transcript("".join(f"{turn.speaker}: {turn.text}\n" for turn in turns), "lines") == turns


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ValueError, match="write webvtt, srt or lines"):
        read_transcript("Ana: yes", "docx")  # type: ignore[arg-type]
