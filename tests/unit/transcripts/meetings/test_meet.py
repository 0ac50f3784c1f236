"""Google Meet's transcripts, as text and as Markdown of their documents."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.meetings.meet import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

DISCLAIMER = (
    "This editable transcript was computer generated and might contain errors. "
    "People can also change the text after it was created."
)
PLAIN = f"""Roof (2024-05-13 09:05 GMT+2) - Transcript
Attendees
Pia Berg, Yusuf Kaya, Yusuf Kaya's Presentation
Transcript
{DISCLAIMER}

Pia Berg: Does it still drip?

Pia Berg: I hear it: all night.
Next question: who has the key?

00:05:00

Yusuf Kaya: It does.
Yusuf Kaya's Presentation: Drip.
Meeting ended after 00:06:12 👋
"""
MARKDOWN = f"""# Roof - 2024/05/13 09:05 CEST - Transcript

### Attendees

Pia Berg, Yusuf Kaya

### Transcript

**Pia Berg:** Does it still drip?

**Yusuf Kaya:** It does.

### 00:05:00

**Pia Berg:** Oh.

### Transcription ended after 00:06:12

*{DISCLAIMER}*
"""
GEMINI = f"""📝 Notes
May 13, 2024
Roof
Invited Pia Berg Yusuf Kaya
Summary
It drips.
Details
Wet walls: the walls were found to be wet.
📖 Transcript
May 13, 2024
Roof - Transcript
00:00:00

Pia Berg: Does it still drip?
Yusuf Kaya: It does.

00:01:05

Pia Berg: Oh.
Transcription ended after 00:01:30

{DISCLAIMER}
"""
NO_END = f"""Attendees
Pia Berg
Yusuf Kaya

{DISCLAIMER}

Pia Berg: Does it still drip?
Yusuf Kaya: It
"""
GERMAN = """Dach (2024-05-13 09:05 GMT+2) - Transkript
Teilnehmer
Pia Berg, Yusuf Kaya
Transkript
Pia Berg: Tropft es noch?
Yusuf Kaya: Ja.
Besprechung endete nach 00:06:12 👋
"""


def said(text: str) -> list[tuple[str | None, str, float | None]]:
    return [(piece.speaker, piece.text, piece.start) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_neighbouring_lines_of_one_speaker_are_one_turn_and_lone_times_are_starts() -> None:
    read = read_transcript(PLAIN)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it still drip? I hear it: all night. Next question: who has the key?", None),
        ("Yusuf Kaya", "It does.", 300),
        ("Yusuf Kaya's Presentation", "Drip.", None),
    ]
    assert read.reading.format == "meet"
    assert read.notes == (
        "`Next question` before a colon was read as speech (line 10)",
        "what stands above the first speaker (a title, a date, a summary) is left out (lines 1, 2, 3, 4 and 5)",
        "what stands behind the end of the transcript is left out (line 16)",
    )


def test_the_markdown_of_a_document_reads_the_same() -> None:
    assert FORMAT.recognizes(Content(MARKDOWN))
    assert said(MARKDOWN) == [
        ("Pia Berg", "Does it still drip?", None),
        ("Yusuf Kaya", "It does.", None),
        ("Pia Berg", "Oh.", 300),
    ]


def test_the_notes_above_a_transcript_are_no_speech() -> None:
    read = read_transcript(GEMINI)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it still drip?", 0),
        ("Yusuf Kaya", "It does.", None),
        ("Pia Berg", "Oh.", 65),
    ]
    assert read.reading.format == "meet"
    assert read.notes[0].endswith("is left out (12 times, first on line 1)")


def test_a_transcript_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    assert FORMAT.recognizes(Content(NO_END))
    assert said(NO_END) == [("Pia Berg", "Does it still drip?", None), ("Yusuf Kaya", "It", None)]


def test_a_german_document_is_known_by_its_headings() -> None:
    assert FORMAT.recognizes(Content(GERMAN))
    assert said(GERMAN) == [("Pia Berg", "Tropft es noch?", None), ("Yusuf Kaya", "Ja.", None)]


@pytest.mark.parametrize(
    "other",
    [
        "Interview - Transcript\nPia: Does it drip?\nYusuf: It does.\n",
        "00:05\nPia: Does it drip?\n00:09\nYusuf: It does.\n",
        "Attendees\nPia, Yusuf\n",
        "",
    ],
)
def test_other_texts_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_text_without_speech_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no line has a name and speech as Meet writes them"):
        FORMAT.read(Content("Attendees\nPia\nTranscript\n"))
