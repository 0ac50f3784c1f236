"""ELAN's tables: tiers are speakers, times in any of their forms, rows in order of time; `.eaf` refused with advice."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.corpora.elan import FORMAT
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript

Said = tuple[str | None, str, float | None, float | None]


def table(*rows: str) -> str:
    return "".join("\t".join(row.split("|")) + "\n" for row in rows)


AS_ELAN_PROPOSES = table(
    "Dagny||00:00:00.500|0.5|00:00:02.100|2.1|00:00:01.600|1.6|Is the glaze dry?",
    "Dagny||00:00:03.500|3.5|00:00:03.912|3.912|00:00:00.412|0.412|Good.",
    "Emeka||00:00:02.400|2.4|00:00:02.900|2.9|00:00:00.500|0.5|Nearly.",
)
"""Tier, participant (which is empty), and begin, end and duration in two forms; tier after tier."""

TURNS: list[Said] = [
    ("Dagny", "Is the glaze dry?", 0.5, 2.1),
    ("Emeka", "Nearly.", 2.4, 2.9),
    ("Dagny", "Good.", 3.5, 3.912),
]

TIERS = "each tier was taken for a speaker: `Dagny`, `Emeka`"
IN_ORDER = "the annotations of all tiers were put in order of their begin"

BY_COLUMN = table(
    "Begin Time - hh:mm:ss.ms|End Time - hh:mm:ss.ms|Duration - hh:mm:ss.ms|Dagny|Emeka",
    "00:00:00.500|00:00:02.100|00:00:01.600|Is the glaze dry?|",
    "00:00:02.400|00:00:02.900|00:00:00.500||Nearly.",
    "00:00:03.500|00:00:03.912|00:00:00.412|Good.|Good!",
    "00:00:04",
)


def read(text: str) -> Parsed:
    content = Content(text)
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[Said]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def notes(parsed: Parsed) -> list[str]:
    return list(parsed.notes.sentences())


def test_tiers_are_speakers_and_their_annotations_are_put_in_order_of_time() -> None:
    parsed = read(AS_ELAN_PROPOSES)
    assert said(parsed) == TURNS
    assert (parsed.kind, parsed.named) == ("cues", True)
    assert [piece.line for piece in parsed.pieces] == [1, 3, 2]
    assert notes(parsed) == [IN_ORDER, TIERS]


@pytest.mark.parametrize(
    "rows",
    [
        table(
            "Dagny|0.5|2.1|1.6|Is the glaze dry?", "Emeka|2.4|2.9|0.5|Nearly.", "Dagny|3.5|3.912|0.412|Good."
        ),
        table("Dagny||0.5|2.1|Is the glaze dry?", "Dagny||3.5|3.912|Good.", "Emeka||2.4|2.9|Nearly."),
        table(
            "Dagny|Dagny|500|2100|1600|Is the glaze dry?",
            "Emeka|Emeka|2400|2900|500|Nearly.",
            "Dagny|Dagny|3500|3912|412|Good.",
        ),
        table(
            "Dagny||00:00:00.500|00:00:02.100|Is the glaze dry?",
            "Emeka||00:00:02.400|00:00:02.900|Nearly.",
            "Dagny||00:00:03.500|00:00:03.912|Good.",
        ),
        table(
            "Dagny|00:00:00.500|500|00:00:00:12|00:00:02.100|2100|00:00:02:02|Is the glaze dry?",
            "Emeka|00:00:02.400|2400|00:00:02:10|00:00:02.900|2900|00:00:02:22|Nearly.",
            "Dagny|00:00:03.500|3500|00:00:03:12|00:00:03.912|3912|00:00:03:22|Good.",
        ),
        '"#file:///D:/kiln.wav -- offset: 0"\n\n' + AS_ELAN_PROPOSES.replace("\n", "\r\n"),
        '"Dagny","",00:00:00.500,0.5,00:00:02.100,2.1,"Is the glaze dry?"\n'
        '"Emeka","",00:00:02.400,2.4,00:00:02.900,2.9,"Nearly."\n'
        '"Dagny","",00:00:03.500,3.5,00:00:03.912,3.912,"Good."\n',
        table("Tier|Participant|Begin Time - ss.msec|End Time - ss.msec|Duration - ss.msec|Annotation")
        + table("Dagny||0.5|2.1|1.6|Is the glaze dry?", "Emeka||2.4|2.9|0.5|Nearly.", "Dagny||3.5|3.912|0.412|Good."),
        table("tier|begin|end|duration|annotation")
        + table("Dagny|500|2100|1600|Is the glaze dry?", "Emeka|2400|2900|500|Nearly.", "Dagny|3500|3912|412|Good."),
        table("Tier|Temps de départ - hh:mm:ss.ms|Durée - hh:mm:ss.ms|Texte")
        + table("Dagny|00:00:00.500|00:00:01.600|Is the glaze dry?", "Emeka|00:00:02.400|00:00:00.500|Nearly.")
        + table("Dagny|00:00:03.500|00:00:00.412|Good."),
    ],
    ids=["seconds", "no duration, in seconds", "milliseconds", "no duration", "three forms", "media and CRLF", "csv",
         "heading", "own heading", "French, no end"],
)  # fmt: skip
def test_whatever_times_were_asked_for_the_annotations_are_the_same(rows: str) -> None:
    assert said(read(rows)) == TURNS


def test_neighbouring_annotations_of_one_tier_are_one_turn() -> None:
    read_back = read_transcript(
        AS_ELAN_PROPOSES + table("Dagny||00:00:04.000|4.0|00:00:05.000|5.0|00:00:01.000|1.0|Then light it.")
    )
    assert read_back.reading.format == "elan"
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in read_back.turns] == [
        *TURNS[:2],
        ("Dagny", "Good. Then light it.", 3.5, 5.0),
    ]


def test_a_column_for_each_tier_gives_an_annotation_for_each_cell() -> None:
    parsed = read(BY_COLUMN)
    assert said(parsed) == [*TURNS, ("Emeka", "Good!", 3.5, 3.912)]
    assert notes(parsed) == ["rows without all their columns are left out (line 5)", TIERS]


def test_participants_are_the_speakers_where_each_has_one_tier() -> None:
    parsed = read(table(
        "A_speech|Dagny|00:00:00.500|00:00:02.100|Is the glaze dry?",
        "B_speech|Emeka|00:00:02.400|00:00:02.900|Nearly.",
    ))  # fmt: skip
    assert [piece.speaker for piece in parsed.pieces] == ["Dagny", "Emeka"]
    assert notes(parsed) == [
        "the tier `A_speech` is of the participant `Dagny`, who was taken for its speaker",
        "the tier `B_speech` is of the participant `Emeka`, who was taken for its speaker",
    ]


def test_a_tier_with_the_times_of_another_is_kept_as_a_speaker_and_noted() -> None:
    parsed = read(table(
        "Dagny|Dagny|00:00:00.500|00:00:02.100|Ist die Glasur trocken?",
        "Dagny|Dagny|00:00:03.500|00:00:03.912|Gut.",
        "Dagny_en|Dagny|00:00:00.500|00:00:02.100|Is the glaze dry?",
        "Dagny_en|Dagny|00:00:03.500|00:00:03.912|Good.",
    ))  # fmt: skip
    assert [piece.speaker for piece in parsed.pieces] == ["Dagny", "Dagny_en", "Dagny", "Dagny_en"]
    assert notes(parsed) == [
        IN_ORDER,
        "each tier was taken for a speaker: `Dagny`, `Dagny_en`",
        "all annotations of `Dagny_en` have the times of those of `Dagny`: if it is a translation or an annotation of "
        "it, export it without that tier",
    ]


def test_the_tier_with_which_elan_begins_names_nobody() -> None:
    rows = table("default||00:00:00.500|00:00:02.100|Dagny: Dry?", "default||00:00:02.400|00:00:02.900|Emeka: Nearly.")
    assert not read(rows).named
    assert [(turn.speaker, turn.text) for turn in read_transcript(rows).turns] == [
        ("Dagny", "Dry?"),
        ("Emeka", "Nearly."),
    ]


def test_empty_annotations_are_counted_and_what_stands_behind_is_left_out() -> None:
    parsed = read(table(
        "Dagny||00:00:00.500|00:00:02.100|Is the glaze dry?|a question",
        "Dagny||00:00:02.200|00:00:02.300|",
        "Emeka||00:00:02.400|00:00:02.900|42",
        "Emeka||00:00:03.000|00:00:03.100",
        "Emeka||00:00:",
    ))  # fmt: skip
    assert said(parsed) == [("Dagny", "Is the glaze dry?", 0.5, 2.1), ("Emeka", "42", 2.4, 2.9)]
    assert notes(parsed) == [
        "what stands behind the annotations (descriptions, names of files) is left out",
        "annotations without text are left out (lines 2 and 4)",
        "rows without all their columns are left out (line 5)",
        TIERS,
    ]


def test_times_in_frames_alone_are_no_times() -> None:
    parsed = read(
        table("Dagny||00:00:00:12|00:00:02:02|00:00:01:15|Dry?", "Emeka||00:00:02:10|00:00:02:22|00:00:00:12|No.")
    )
    assert said(parsed) == [("Dagny", "Dry?", None, None), ("Emeka", "No.", None, None)]
    assert notes(parsed)[0] == "its times count frames, whose length is not known, so that turns have no times"


def test_annotations_of_several_files_are_refused() -> None:
    rows = table("Dagny||00:00:00.500|00:00:02.100|Dry?|a.eaf", "Dagny||00:00:00.500|00:00:02.100|Wet?|b.eaf")
    with pytest.raises(BadTranscript, match="the annotations of 2 files; export each by itself"):
        FORMAT.read(Content(rows))


def test_elans_own_file_is_refused_with_advice() -> None:
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0"><TIER TIER_ID="Dagny"/>'
    )
    assert FORMAT.recognizes(Content(document))
    with pytest.raises(BadTranscript, match="Export As > Tab-delimited Text"):
        FORMAT.read(Content(document))


@pytest.mark.parametrize(
    "other",
    [
        "",
        "Dagny: Is it dry?\nEmeka: Nearly.\n",
        "Dagny\tIs it dry?\nEmeka\tNearly.\n",
        "0:00:00.500,0:00:02.100\nIs it dry?\n\n0:00:02.400,0:00:02.900\nNearly.\n",
        "start\tend\ttext\n0\t2480\tThe kiln is hot.\n2480\t4000\tThen we wait.\n",
        "conversation_id,speaker,text,start,end\n1,Dagny,Dry?,0.5,2.1\n1,Emeka,No.,2.4,2.9\n",
        "conversation_id\tspeaker\tstart\tend\ttext\n1\tDagny\t00:00:00.500\t00:00:02.100\tDry?\n",
        "0.000000\t1.500000\tDagny\n1.500000\t2.000000\tEmeka\n",
        "Dagny\t\t0.5\t2.1\tDry?\nEmeka\t\t2.4\t2.2\tNo.\n",
        "Dagny\t\t0.5\t2.1\tDry?\nDagny\t\t1.9\t2.2\tNo.\n",
        "id\tscore\n1\t5\n2\t7\n3\t10\n",
        '"quoted, and never closed\n' * 3,
    ],
)
def test_what_is_no_export_of_elan_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_table_without_times_is_refused_with_advice() -> None:
    with pytest.raises(BadTranscript, match="no columns of times between tabs"):
        FORMAT.read(Content("Dagny\tIs it dry?\nEmeka\tNearly.\n"))


@pytest.mark.parametrize("hostile", ["\t", "0", "00:", '"', ",", "#", "<", "1\t", "0.1\t"])
def test_a_character_repeated_without_end_takes_linear_time(hostile: str) -> None:
    FORMAT.recognizes(Content(hostile * 200_000))
    FORMAT.read(Content(AS_ELAN_PROPOSES * 4 + hostile * 200_000))
    many = "".join(f"{hostile}{number}\t\t0.5\t2.1\t1.6\tx\n" for number in range(5_000))
    FORMAT.recognizes(Content(many))
