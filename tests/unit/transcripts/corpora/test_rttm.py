"""RTTM is known, alone and beside a transcript, and refused with advice, for it holds no words."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.corpora.rttm import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

PYANNOTE = """SPEAKER kiln 1 0.031 4.927 <NA> <NA> SPEAKER_00 <NA> <NA>
SPEAKER kiln 1 4.958 1.434 <NA> <NA> SPEAKER_01 <NA> <NA>
"""
NEMO = "SPEAKER kiln 1   0.480   2.200 <NA> <NA> speaker_0 <NA> <NA>\n"
NINE_FIELDS = "SPEAKER kiln 1 0 1023 <NA> <NA> spk1 <NA>\n"
TABS = "SPEAKER\tkiln\t1\t0.5\t2.25\t<NA>\t<NA>\tDagny\t0.98\t<NA>\r\n"
COMMENTED = (
    ";; made by hand\nSPKR-INFO kiln 1 <NA> <NA> <NA> unknown Dagny <NA> <NA>\n"
    "SPEAKER kiln 1 0.50 2.25 <NA> <NA> Dagny <NA> <NA>\n"
)
BESIDE = PYANNOTE + "\nIs the glaze dry?\nNearly.\n"
AFTER = "Is the glaze dry?\nNearly.\n" + PYANNOTE


@pytest.mark.parametrize(
    ("text", "line"),
    [(PYANNOTE, 1), (NEMO, 1), (NINE_FIELDS, 1), (TABS, 1), (COMMENTED, 3), (BESIDE, 1), (AFTER, 3)],
    ids=["pyannote", "nemo", "nine fields", "tabs", "commented", "before words", "after words"],
)
def test_it_is_refused_where_it_begins_with_what_to_do(text: str, line: int) -> None:
    assert FORMAT.recognizes(Content(text))
    with pytest.raises(
        BadTranscript, match=r"says who speaks when and holds no words.*WhisperX.*`Name: what was said`"
    ) as refused:
        read_transcript(text)
    assert refused.value.line == line


@pytest.mark.parametrize(("text", "beside"), [(PYANNOTE, False), (BESIDE, True), (AFTER, True)])
def test_words_beside_it_are_said_to_be_nobodys(text: str, beside: bool) -> None:
    with pytest.raises(BadTranscript) as refused:
        FORMAT.read(Content(text))
    assert ("the words beside them cannot be given to speakers" in str(refused.value)) is beside


@pytest.mark.parametrize(
    "other",
    [
        "SPEAKER 1: Is the glaze dry?\nSPEAKER 2: Nearly.\n",
        "SPEAKER kiln 1 0.031 4.927 is who they asked for\n",
        "SPEAKER_00 0.5 2.1 Is the glaze dry?\n",
        "They wrote `SPEAKER kiln 1 0.031 4.927 <NA> <NA> SPEAKER_00 <NA> <NA>` on the wall.\n",
        "",
    ],
)
def test_speech_is_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_what_is_none_of_it_is_refused_as_such() -> None:
    with pytest.raises(BadTranscript, match="it is not RTTM"):
        FORMAT.read(Content("Dagny: Is the glaze dry?\n"))


@pytest.mark.parametrize("hostile", ["SPEAKER ", "SPEAKER a ", "SPEAKER a 1 1", " ", "SPEAKER\t"])
def test_words_repeated_without_end_take_linear_time(hostile: str) -> None:
    assert not FORMAT.recognizes(Content(hostile * 200_000))
    assert not FORMAT.recognizes(Content(f"SPEAKER a 1 1 1 <NA> <NA> {hostile * 200_000}"))
