"""CHAT of TalkBank: main lines as they are written, without bullets; headers and annotation lines are never speech."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.corpora.chat import FORMAT
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript

HEAD = """@UTF8
@PID:\t11312/c-00000000-1
@Begin
@Languages:\teng
@Participants:\tCHI Iris Target_Child , MOT Mother , INV Paula Investigator
@ID:\teng|Kiln|CHI|2;06.00|female|||Target_Child|||
@ID:\teng|Kiln|MOT||female|||Mother|||
@Media:\tkiln, audio
"""

CHILD = (
    HEAD
    + """@Situation:\tin the pottery; *MOT: is loading the kiln
*MOT:\twhat did you make ? [+ Q] \x15120_1450\x15
%mor:\tpro:int|what mod|do&PAST pro:per|you v|make ?
%gra:\t1|4|OBJ 2|4|AUX 3|4|SUBJ 4|0|ROOT 5|4|PUNCT
*CHI:\t<a bowl> [//] &-uh a big@c xxx
\tfor the (.) dog . \x151450_4000\x15
%act:\tpoints at
\tthe shelf
*CHI:\tdog .
*MOT:\tmhm +...
@End
"""
)

ROLES = "speakers are named by their codes: `CHI` is Target_Child, `MOT` is Mother"


def read(text: str) -> Parsed:
    content = Content(text)
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[tuple[str | None, str, float | None, float | None]]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def notes(parsed: Parsed) -> list[str]:
    return list(parsed.notes.sentences())


def test_main_lines_stand_as_they_are_written_with_their_codes_and_times() -> None:
    parsed = read(CHILD)
    assert said(parsed) == [
        ("MOT", "what did you make ? [+ Q]", 0.12, 1.45),
        ("CHI", "<a bowl> [//] &-uh a big@c xxx for the (.) dog .", 1.45, 4.0),
        ("CHI", "dog .", None, None),
        ("MOT", "mhm +...", None, None),
    ]
    assert (parsed.kind, parsed.named) == ("messages", True)
    assert [piece.line for piece in parsed.pieces] == [10, 13, 17, 18]
    assert notes(parsed) == ["annotation lines (`%mor, %gra, %act`) are left out (3 times)", ROLES]


def test_each_main_line_is_a_turn_of_its_own() -> None:
    read_back = read_transcript(CHILD.replace("\n", "\r\n").encode("utf-8-sig"))
    assert (read_back.reading.format, read_back.reading.cues, read_back.reading.turns) == ("chat", 4, 4)
    assert read_back.reading.speakers == {"MOT": 2, "CHI": 2}


def test_codes_and_roles_are_of_pseudonyms_where_names_must_not_be_kept() -> None:
    read_back = read_transcript(CHILD, names="pseudonyms")
    assert [turn.speaker for turn in read_back.turns] == ["P1", "P2", "P2", "P1"]
    assert read_back.notes[1] == "speakers are named by their codes: `P2` is Target_Child, `P1` is Mother"


def test_bullets_of_all_ages_are_times_and_no_words() -> None:
    parsed = read(
        "@Begin\n@Participants:\tANN Ann Participant, BEA Participant\n"
        "*ANN:\tis it hot ? •0_950•\n"
        '*BEA:\tno . \x15%snd:"kiln-a.wav"_1000_2000\x15\n'
        "*ANN:\twait ·2000_2500· a moment ·2500_3100· .\n"
        "*BEA:\tlook \x15%pic:\"shelf.jpg\"\x15 here . \x153200_4000-\x15\n"
        "@End\n"
    )  # fmt: skip
    assert said(parsed) == [
        ("ANN", "is it hot ?", 0.0, 0.95),
        ("BEA", "no .", 1.0, 2.0),
        ("ANN", "wait a moment .", 2.0, 3.1),
        ("BEA", "look here .", 3.2, 4.0),
    ]


def test_a_file_that_is_cut_off_is_read_to_its_end_and_that_is_noted() -> None:
    parsed = read(CHILD[: CHILD.index("for the")])
    assert said(parsed)[-1] == ("CHI", "<a bowl> [//] &-uh a big@c xxx", None, None)
    assert notes(parsed)[-1] == "it has no `@End`: it may be cut off"


def test_a_few_lines_without_headers_are_chat_by_their_tabs() -> None:
    parsed = read("*MOT:\thot ?\n%mor:\tadj|hot ?\n*CHI:\thot !\n")
    assert said(parsed) == [("MOT", "hot ?", None, None), ("CHI", "hot !", None, None)]


def test_stray_lines_go_on_with_an_unfinished_line_or_are_left_out_and_noted() -> None:
    parsed = read(
        "@UTF8\n@Begin\n@Participants:\tSP01 Speaker, SP02 Speaker\n"
        "*SP01:\tthe kiln is\nstill hot .\nPage 3\n*SP02: wait then .\n*SP02:\t\n@Begin:\n@End\n"
    )
    assert said(parsed) == [("SP01", "the kiln is still hot .", None, None), ("SP02", "wait then .", None, None)]
    assert notes(parsed) == [
        "lines without a tab before them go on with the main line above, which was not at its end (line 5)",
        "what is no line of CHAT is left out: `Page 3` (line 6)",
        "main lines without words are left out (line 8)",
        "speakers are named by their codes: `SP01` is Speaker, `SP02` is Speaker",
        "it holds 2 transcripts, one after the other, which were read as one",
    ]


def test_a_name_that_stands_where_a_role_should_is_not_told() -> None:
    parsed = read("@UTF8\n@Begin\n@Participants:\tCHI Iris,\n\tMOT Mother\n*CHI:\thot !\n*MOT:\tyes .\n@End")
    assert notes(parsed) == ["speakers are named by their codes: `MOT` is Mother"]


@pytest.mark.parametrize(
    "other",
    [
        "MOT: hot ?\nCHI: hot !\n",
        "*waves* hello\nDagny: hello\n",
        "* MOT: hot ?\n* CHI: hot !\n",
        "@dagny are you there?\n@emeka yes\n",
        "@Begin with the kiln, then the shelf.\nThen rest.\n"[1:],
        "WEBVTT\n\n00:00.000 --> 00:01.000\n*MOT:\thot ?\n",
        "",
    ],
)
def test_what_is_not_chat_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_file_without_main_lines_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no main line of CHAT"):
        FORMAT.read(Content(HEAD + "@End\n"))


@pytest.mark.parametrize("hostile", ["*", "@", "%", "\t", " ", "•", "\x15", '•%snd:"', "[", "·1_2", "*A:\t", "1_2•"])
def test_a_character_repeated_without_end_takes_linear_time(hostile: str) -> None:
    FORMAT.read(Content(CHILD + "*MOT:\t" + hostile * 200_000 + "\n" + hostile * 200_000))
