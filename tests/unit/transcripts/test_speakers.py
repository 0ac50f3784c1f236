"""Names before colons: what is taken for a name and what for speech, and that either is said."""

import pytest

from formats.documents import Transcript
from formats.transcripts.read import read_transcript


def subrip(*cues: str) -> str:
    """Cues as a SubRip file; the text of cue n begins on line 4n - 1 where every cue has one line."""
    return "\n\n".join(
        f"{number}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{cue}" for number, cue in enumerate(cues, start=1)
    )


def read(*cues: str, **options: object) -> Transcript:
    return read_transcript(subrip(*cues), **options)  # type: ignore[arg-type]


def said(transcript: Transcript) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in transcript.turns]


NAMES = (
    "Olena Marchuk (she/her)", "Haddad, Yusuf", "+44 20 7946 0958", "442079460958", "2nd floor kitchen", "Galaxy S9",
    "Pia - Hafenamt - Kiel", 'Piotr "Pit" Nowak', "@olena", "Olena M.", "Witness #4", "Pia & Piotr",
    "Ann-Sofie Åström-Öhman", "Guest_12", "van den Berg, Joost (Guest)", "D'Arcy", "Çağla", "Panel 3;",
    "olena.marchuk@example.org", "olena", "🦊", "Olena 🦊", "mum", "the neighbours",
    "Yusuf Haddad from the second harbour office downstairs",
    "राधा", "Ольга", "نور", "田中さん", "김민수", "Νίκος", "Dr. med. Ute Lang", "SPEAKER_01", "P3",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("colon", [": ", "："])
def test_whatever_stands_before_the_colon_of_every_cue_is_the_name(name: str, colon: str) -> None:
    read_back = read(f"Ana{colon}Where did the ferry go?", f"{name}{colon}Out to the islands.")
    assert said(read_back) == [("Ana", "Where did the ferry go?"), (name, "Out to the islands.")]
    assert read_back.reading.speakers == {"Ana": 1, name: 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_said_once_between_two_cues_of_another_is_a_name_and_is_noted(name: str) -> None:
    read_back = read("Ana: The ferry is late.", f"{name}: Again.", "Ana: As ever.")
    assert [turn.speaker for turn in read_back.turns] == ["Ana", name, "Ana"]
    (note,) = read_back.notes
    assert f"`{name}`" in note
    assert "line 7" in note
    assert "`speakers`" in note


@pytest.mark.parametrize(
    "sentence",
    [
        "One more thing: who has the tickets?",
        "Last question: Who has the tickets?",
        "Remember: the ferry leaves at six.",
        "My advice: Take the early one.",
        "What I mean: it never waits.",
        "So here is the plan: we go at noon.",
        "Quick reminder: Bring a coat.",
        "Внимание: паром уходит в шесть.",
        "Noch eine Frage: wer hat die Karten?",
        "Une chose: il part à midi.",
        "最后一个问题：谁有票？",
        "In short: no.",
    ],
)
def test_a_sentence_with_a_colon_is_speech_and_is_noted(sentence: str) -> None:
    read_back = read("Ana: I asked about the ferry.", sentence, "Bo: I have them.")
    assert said(read_back) == [("Ana", f"I asked about the ferry. {sentence}"), ("Bo", "I have them.")]
    assert read_back.reading.unnamed == 1
    (about,) = [note for note in read_back.notes if "read as speech" in note]
    assert about.startswith(f"`{sentence[: sentence.replace('：', ':').index(':')]}`")
    assert "line 7" in about


def test_a_line_that_goes_on_with_an_unfinished_sentence_is_speech() -> None:
    read_back = read("Ana: We looked at it and decided on\nthe blue ferry: It is faster.", "Bo: Good.", "Ana: Yes.")
    assert said(read_back)[0] == ("Ana", "We looked at it and decided on the blue ferry: It is faster.")


def test_counted_speakers_are_a_family_that_a_single_word_is_not_of() -> None:
    read_back = read("Speaker 1: The ferry.", "Islands: Two of them.", "Speaker 2: Three.", "Maria Papadaki: Four.")
    assert [turn.speaker for turn in read_back.turns] == ["Speaker 1", "Speaker 2", "Maria Papadaki"]
    assert read_back.turns[0].text == "The ferry. Islands: Two of them."


def test_captions_that_name_somebody_only_when_the_speaker_changes_are_read_alike() -> None:
    read_back = read(
        ">> ANA: The ferry left", "at nine in the morning", "and nobody was on it.", ">> BO: Nobody at all?",
        "Tickets: twelve.", ">> ANA: Nobody.",
    )  # fmt: skip
    assert said(read_back) == [
        ("ANA", "The ferry left at nine in the morning and nobody was on it."),
        ("BO", "Nobody at all? Tickets: twelve."),
        ("ANA", "Nobody."),
    ]
    assert read_back.reading.unnamed == 3


def test_two_may_speak_in_one_cue_and_dashes_are_no_part_of_their_names() -> None:
    read_back = read("- Ana: Ready?\n- Bo: Ready.", "– Ana: Go.")
    assert said(read_back) == [("Ana", "Ready?"), ("Bo", "Ready."), ("Ana", "Go.")]


def test_a_name_may_stand_on_a_line_of_its_own() -> None:
    assert said(read("Ana:\nReady?", "Bo:\nReady.")) == [("Ana", "Ready?"), ("Bo", "Ready.")]


def test_times_and_numbers_before_a_name_are_no_part_of_it() -> None:
    read_back = read("[21:05:12] Ana: Ready?", "[3] Bo: Ready.", "(00:01:05) Ana: Go.", "21:06 Bo: Gone.")
    assert said(read_back) == [("Ana", "Ready?"), ("Bo", "Ready."), ("Ana", "Go."), ("Bo", "Gone.")]


def test_a_time_in_speech_is_no_name() -> None:
    read_back = read("Ana: It leaves", "21:05 and not before.", "Bo: I see.")
    assert said(read_back) == [("Ana", "It leaves 21:05 and not before."), ("Bo", "I see.")]


def test_names_are_one_however_they_are_written() -> None:
    read_back = read(
        "Zoe\u0301  Marsh: One.", "\u200eZo\u00e9 Marsh\u200f: Two.", "Bo: Three.", "Zo\u00e9\u00a0Marsh: Four."
    )
    assert said(read_back) == [("Zo\u00e9 Marsh", "One. Two."), ("Bo", "Three."), ("Zo\u00e9 Marsh", "Four.")]


def test_names_that_differ_in_capitals_are_two_and_that_is_noted() -> None:
    read_back = read("Ana: One.", "ANA: Two.", "Ana: Three.", "ANA: Four.")
    assert read_back.reading.speakers == {"Ana": 2, "ANA": 2}
    assert "`Ana` and `ANA` differ in capitals alone" in " ".join(read_back.notes)


def test_what_stands_before_any_name_is_of_unknown_and_counted() -> None:
    read_back = read("The ferry at night.", "Ana: Ready?", "Bo: Ready.")
    assert said(read_back) == [("unknown", "The ferry at night."), ("Ana", "Ready?"), ("Bo", "Ready.")]
    assert read_back.reading.unnamed == 1
    assert any("before the first name" in note for note in read_back.notes)


def test_a_file_that_names_nobody_is_one_turn_of_unknown_and_that_is_noted() -> None:
    read_back = read("The ferry left.", "Nobody was on it.")
    assert said(read_back) == [("unknown", "The ferry left. Nobody was on it.")]
    assert read_back.reading.unnamed == 2
    assert any("nothing in it names a speaker" in note for note in read_back.notes)


# What the request settles


def test_given_speakers_are_the_only_names() -> None:
    cues = ("Ana: I have two things.", "Tickets: Twelve.", "Bo: I see.")
    assert [turn.speaker for turn in read(*cues).turns] == ["Ana", "Tickets", "Bo"]
    settled = read(*cues, speakers=["Ana", "Bo"])
    assert said(settled) == [("Ana", "I have two things. Tickets: Twelve."), ("Bo", "I see.")]
    assert settled.notes == ()


def test_given_speakers_make_a_name_of_what_was_read_as_speech() -> None:
    settled = read("Ana: I am here.", "First question: who are you?", "Ana: Ana.", speakers=["Ana", "First question"])
    assert [turn.speaker for turn in settled.turns] == ["Ana", "First question", "Ana"]


def test_a_table_of_aliases_renames_and_makes_one_of_several() -> None:
    cues = ("A. Lund: One.", "Ana Lund: Two.", "Bo: Three.", "Tickets: Four.")
    settled = read(*cues, speakers={"A. Lund": "Ana", "Ana Lund": "Ana", "Tickets": None})
    assert said(settled) == [("Ana", "One. Two."), ("Bo", "Three. Tickets: Four.")]


def test_a_given_name_that_says_nothing_is_noted() -> None:
    assert any("`Cid` is among the given speakers" in note for note in read("Ana: One.", speakers=["Ana", "Cid"]).notes)


def test_given_speakers_are_found_whatever_their_capitals_and_shown_as_given() -> None:
    settled = read("ANA: One.", "BO: Two.", speakers=["Ana", "Bo"])
    assert said(settled) == [("Ana", "One."), ("Bo", "Two.")]


# Names that must not be kept


def test_pseudonyms_stand_in_every_place_where_a_name_would() -> None:
    cues = ("Somebody sings.", "Ana Lund: One.", "Bo Ek: Two.", "Ana Lund: Three.", "ana lund: Four.")
    hidden = read(*cues, names="pseudonyms")
    assert said(hidden) == [
        ("unknown", "Somebody sings."),
        ("P1", "One."),
        ("P2", "Two."),
        ("P1", "Three."),
        ("P3", "Four."),
    ]
    assert hidden.reading.speakers == {"unknown": 1, "P1": 2, "P2": 1, "P3": 1}
    told = " ".join(hidden.notes).casefold()
    assert "ana lund" not in told
    assert "bo ek" not in told
    assert "`p2`" in told


def test_pseudonyms_hide_given_names_too() -> None:
    hidden = read("Ana: One.", "Bo: Two.", speakers={"Ana": "Ana Lund", "Cid": "Cid Ek"}, names="pseudonyms")
    assert said(hidden) == [("P1", "One."), ("P2", "Two.")]
    assert not any(name in " ".join(hidden.notes) for name in ("Ana", "Bo", "Cid", "Ek"))


def test_in_lines_too_the_request_settles_what_is_a_name() -> None:
    written = "Ana: I have two things.\nFirst question: who has the key?\nBo: I do."
    read_back = read_transcript(written, "lines")
    assert [turn.speaker for turn in read_back.turns] == ["Ana", "First question", "Bo"]
    (note,) = read_back.notes
    assert note.startswith("`First question` stands before a colon once and was taken for a name")
    for speakers in (["Ana", "Bo"], {"First question": None}):
        settled = read_transcript(written, "lines", speakers=speakers)
        assert said(settled) == [("Ana", "I have two things.\nFirst question: who has the key?"), ("Bo", "I do.")]
        assert settled.notes == ()


def test_a_table_renames_the_speakers_of_formats_that_name_them() -> None:
    voices = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v SPEAKER_00>Yes.\n\n00:02.000 --> 00:03.000\n<v SPEAKER_01>No.\n"
    settled = read_transcript(voices, speakers={"SPEAKER_00": "Ana", "SPEAKER_01": "Ana"})
    assert said(settled) == [("Ana", "Yes. No.")]
