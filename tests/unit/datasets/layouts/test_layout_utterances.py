"""Tables with one utterance a row, as people keep them: gathered by conversation, in order, with times."""

import json
import random
from typing import Any

import pytest
from dataset_reading import Read


def lines(*rows: dict[str, Any]) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def said(read: Read) -> dict[str | None, list[tuple[str, str | None]]]:
    """Who says what, by the id of the conversation."""
    assert (read.faults, read.unreadable) == ([], None)
    return {document.id: talk for document, talk in zip(read.documents, read.talks, strict=True)}


# Shapes of real files


def test_a_plain_table() -> None:
    read = Read(b"conversation_id,speaker,text\nx,Ada,Has the ferry left?\nx,Sol,At noon.\ny,Ada,Then we wait.\n")
    assert said(read) == {
        "x": [("Ada", "Has the ferry left?"), ("Sol", "At noon.")],
        "y": [("Ada", "Then we wait.")],
    }
    assert read.reading.layout == "utterances"
    assert read.reading.notes == (
        "an utterance a row: `conversation_id` for the conversation, `speaker` for the speaker, "
        "`text` for what is said",
        "the turns of 2 conversations stand in the order of the rows",
    )


def test_a_table_of_dialogues_of_a_television_series() -> None:
    read = Read(
        b"Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime\n"
        b'1,Is that the key?,Ada,neutral,0,0,"00:14:38,127","00:14:40,400"\n'
        b'2,It was.,Sol,sadness,0,1,"00:14:41,000","00:14:42,250"\n'
        b'3,Who has it now?,Ada,neutral,1,0,"00:01:02,000","00:01:03,500"\n'
    )
    assert read.described == [
        {
            "id": "0",
            "content": {
                "turns": [
                    {"speaker": "Ada", "text": "Is that the key?", "start": 878.127, "end": 880.4},
                    {"speaker": "Sol", "text": "It was.", "start": 881.0, "end": 882.25},
                ]
            },
        },
        {
            "id": "1",
            "content": {"turns": [{"speaker": "Ada", "text": "Who has it now?", "start": 62.0, "end": 63.5}]},
        },
    ]
    assert read.reading.passed_over == {"turns.Emotion": 2, "turns.Sr No.": 2}


def test_a_table_of_chats_with_wall_clock_times() -> None:
    read = Read(
        b"folder,dialogueID,date,from,to,text\n"
        b"3,126125,2008-04-23T14:55:00.000Z,ada,,does the printer work?\n"
        b"3,126125,2008-04-23T14:56:30.000Z,sol,ada,since this morning\n"
        b"3,64545,2009-08-01T06:22:00.000Z,ify,,hello\n"
    )
    assert read.contents[0] == {
        "turns": [
            {"speaker": "ada", "text": "does the printer work?", "start": 0.0},
            {"speaker": "sol", "text": "since this morning", "start": 90.0},
        ]
    }
    assert list(said(read)) == ["126125", "64545"]


def test_a_table_of_meetings_in_seconds() -> None:
    read = Read(
        lines(
            {"meeting_id": "EN1", "speaker_id": "MEE071", "text": "OKAY", "begin_time": 12.5, "end_time": 13.25},
            {"meeting_id": "EN1", "speaker_id": "FEO070", "text": "SHALL WE", "begin_time": 13.5, "end_time": 14.0},
        )
    )
    assert read.contents[0]["turns"] == [
        {"speaker": "MEE071", "text": "OKAY", "start": 12.5, "end": 13.25},
        {"speaker": "FEO070", "text": "SHALL WE", "start": 13.5, "end": 14.0},
    ]


def test_a_table_of_crowd_workers_whose_speakers_are_numbers() -> None:
    read = Read(
        b"conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval\n"
        b"hit:0_conv:1,1,sentimental,I remember,1,I remember the fair.,5|5|5\n"
        b"hit:0_conv:1,2,sentimental,I remember,0,Was it far?,5|5|5\n"
    )
    assert said(read) == {"hit:0_conv:1": [("1", "I remember the fair."), ("0", "Was it far?")]}


def test_a_table_of_telephone_calls_in_camel_case() -> None:
    read = Read(
        lines(
            {
                "conversationId": "acs-1",
                "turnNumber": 0,
                "utteranceId": "u1",
                "utterance": "Hi.",
                "authorRole": "agent",
            },
            {
                "conversationId": "acs-1",
                "turnNumber": 1,
                "utteranceId": "u2",
                "utterance": "Hey.",
                "authorRole": "client",
            },
        )
    )
    assert said(read) == {"acs-1": [("agent", "Hi."), ("client", "Hey.")]}


def test_a_forum_whose_times_are_seconds_since_1970() -> None:
    read = Read(
        lines(
            {
                "id": "c2",
                "link_id": "t3_a",
                "author": "sol",
                "body": "No.",
                "created_utc": "1546300950",
                "parent_id": "t1_c1",
            },
            {
                "id": "c1",
                "link_id": "t3_a",
                "author": "ada",
                "body": "Yes?",
                "created_utc": 1546300800,
                "parent_id": "t3_a",
            },
        )
    )
    assert read.contents[0]["turns"] == [
        {"speaker": "ada", "text": "Yes?", "start": 0.0},
        {"speaker": "sol", "text": "No.", "start": 150.0},
    ]


# Order


def test_rows_of_a_conversation_need_not_stand_together_and_conversations_stand_as_they_are_first_met() -> None:
    rows = [(f"c{number % 7}", f"S{number % 3}", f"words {number}") for number in range(700)]
    table = "conversation_id,speaker,text\n" + "".join(f"{','.join(row)}\n" for row in rows)
    assert said(Read(table.encode())) == {
        f"c{which}": [(speaker, text) for conversation, speaker, text in rows if conversation == f"c{which}"]
        for which in range(7)
    }


@pytest.mark.parametrize("seed", range(5))
def test_times_order_the_turns_whatever_the_rows_say(seed: int) -> None:
    rows = [{"conversation_id": "x", "speaker": "Ada", "text": str(n), "timestamp": 10.0 * n} for n in range(50)]
    random.Random(seed).shuffle(rows)
    assert said(Read(lines(*rows)))["x"] == [("Ada", str(number)) for number in range(50)]


def test_where_a_row_has_no_time_answers_follow_what_they_answer() -> None:
    read = Read(
        lines(
            {"id": "3", "conversation_id": "x", "speaker": "Ada", "text": "third", "reply_to": "2", "timestamp": 1},
            {"id": "2", "conversation_id": "x", "speaker": "Sol", "text": "second", "reply_to": "1", "timestamp": None},
            {"id": "1", "conversation_id": "x", "speaker": "Ada", "text": "first", "reply_to": None, "timestamp": 2},
        )
    )
    assert said(read) == {"x": [("Ada", "first"), ("Sol", "second"), ("Ada", "third")]}
    assert read.reading.notes[1:] == (
        "the turns of one conversation stand in the order in which they answer each other",
    )


def test_answers_to_one_utterance_stand_as_the_rows_do_and_each_after_what_it_answers() -> None:
    answers = {"d": "c", "b": "a", "c": "a", "a": None, "e": "b"}
    rows = ({"id": i, "conversation_id": "x", "speaker": "s", "text": i, "reply_to": to} for i, to in answers.items())
    assert [text for _, text in said(Read(lines(*rows)))["x"]] == ["a", "b", "c", "d", "e"]


def test_of_equal_times_an_answer_stands_behind_what_it_answers() -> None:
    read = Read(
        b"id,conversation_id,speaker,text,timestamp,reply_to\n"
        b"2,x,Sol,second,2024-01-01,1\n1,x,Ada,first,2024-01-01,\n0,x,Ify,earlier,2023-12-31,\n"
    )
    assert [text for _, text in said(read)["x"]] == ["earlier", "first", "second"]


def test_numbers_of_turns_order_them_where_nothing_else_does() -> None:
    read = Read(b"conversation_id,turn,speaker,text\nx,10,Ada,last\nx,9,Sol,second\nx,1,Ada,first\n")
    assert [text for _, text in said(read)["x"]] == ["first", "second", "last"]
    assert read.reading.passed_over == {}


def test_a_clock_that_falls_back_by_more_than_half_a_day_has_passed_midnight() -> None:
    read = Read(b"session,user,message,time\nx,Ada,late,23:59:50\nx,Sol,early,00:00:20\nx,Ada,bye,00:01:00\n")
    assert [turn["start"] for turn in read.contents[0]["turns"]] == [0.0, 30.0, 70.0]
    assert "where a clock falls back by more than half a day it has passed midnight" in read.reading.notes


def test_a_date_and_a_time_may_stand_in_two_columns() -> None:
    read = Read(
        b"chat_id,sender,message,date,time\nx,Ada,two,2024-05-02,09:00\nx,Sol,one,2024-05-01,10:00\n"
        b"x,Ada,three,2024-05-02,09:00:30\n"
    )
    assert read.contents[0]["turns"] == [
        {"speaker": "Sol", "text": "one", "start": 0.0},
        {"speaker": "Ada", "text": "two", "start": 82_800.0},
        {"speaker": "Ada", "text": "three", "start": 82_830.0},
    ]
    read = Read(b"chat_id,sender,message,date,timestamp\nx,Ada,two,Monday,2\nx,Sol,one,Monday,1\n")
    assert ([text for _, text in said(read)["x"]], read.reading.passed_over) == (["one", "two"], {"turns.date": 1})


def test_times_that_cannot_be_read_are_said_and_order_nothing() -> None:
    read = Read(b"conversation_id,speaker,text,timestamp\nx,Ada,one,Tuesday\nx,Sol,two,2024-01-01\n")
    assert read.contents[0]["turns"] == [{"speaker": "Ada", "text": "one"}, {"speaker": "Sol", "text": "two"}]
    assert "times that are neither numbers nor HH:MM:SS nor ISO 8601 are not read (line 2)" in read.reading.notes


@pytest.mark.parametrize(
    ("times", "starts"),
    [
        (["5", "7.25"], [5.0, 7.25]),
        (["00:05:00", "00:05:02.5"], [0.0, 2.5]),
        (["2024-05-01 10:00:00+02:00", "2024-05-01T08:00:30Z"], [0.0, 30.0]),
        (["1700000000000", "1700000001500"], [0.0, 1.5]),
        (["1700000000000000", "1700000000500000"], [0.0, 0.5]),
        (["21:05", "21:07"], None),
        (["20240501", "20240502"], None),
        (["2024-05-01", "2024-05-01"], None),
        (["nan", "inf"], None),
        (["1_0", "２"], None),
    ],
)
def test_what_times_tell_of_seconds(times: list[str], starts: list[float] | None) -> None:
    rows = "".join(f"x,Ada,words,{time}\n" for time in times)
    turns = Read(f"conversation_id,speaker,text,timestamp\n{rows}".encode()).contents[0]["turns"]
    assert [turn.get("start") for turn in turns] == (starts or [None, None])


# Facts of conversations


def test_labels_and_the_domain_are_those_of_the_conversation() -> None:
    read = Read(
        b"conversation_id,speaker,text,domain,labels.team,cluster\nx,Ada,one,calls,north,k1\nx,Sol,two,,,\ny,Ada,three,,south,\n"
    )
    assert [(each["id"], each.get("domain"), each.get("labels"), each.get("cluster")) for each in read.described] == [
        ("x", "calls", {"team": "north"}, "k1"),
        ("y", None, {"team": "south"}, None),
    ]


def test_labels_in_json_lines_may_be_an_object() -> None:
    read = Read(lines({"conversation_id": 7, "speaker": "Ada", "text": "one", "labels": {"team": "north", "n": 2}}))
    assert read.described[0]["labels"] == {"team": "north", "n": "2"}


def test_rows_that_contradict_each_other_are_a_fault_with_the_row() -> None:
    read = Read(b"conversation_id,speaker,text,labels.team\nx,Ada,one,north\ny,Ada,one,north\nx,Sol,two,south\n")
    assert read.faults == [
        ("line 4", "/labels.team", "its `labels.team` is not that of the rows before it of the same conversation")
    ]


# What is wrong, and what is left out


def test_answers_in_a_circle_are_a_fault_with_the_row() -> None:
    read = Read(b"id,conversation_id,speaker,text,reply_to\n1,x,Ada,one,2\n2,x,Sol,two,1\n3,x,Sol,three,2\n")
    assert read.faults == [("line 2", "/reply_to", "the utterance `1` answers one that in the end answers it")]


def test_answers_to_what_is_not_there_are_said() -> None:
    read = Read(b"id,conversation_id,speaker,text,reply_to\n1,x,Ada,one,gone\n2,x,Sol,two,1\n3,x,Sol,three,3\n")
    assert [text for _, text in said(read)["x"]] == ["one", "two", "three"]
    assert "utterances answer one that is not in their conversation (line 2)" in read.reading.notes
    assert "utterances that answer themselves answer nothing (line 4)" in read.reading.notes


def test_rows_without_text_are_left_out_and_counted_and_without_a_speaker_are_of_nobody() -> None:
    read = Read(b"conversation_id,speaker,text\nx,Ada,  \nx,,one\ny,Ada,\n")
    assert said(read) == {"x": [("unknown", "one")]}
    assert "rows without text are left out (lines 2 and 4)" in read.reading.notes
    assert "rows that name no speaker are of the speaker `unknown` (line 3)" in read.reading.notes


def test_a_row_of_no_conversation_is_a_fault() -> None:
    read = Read(b"conversation_id,speaker,text\nx,Ada,one\n,Ada,two\n")
    assert read.faults == [("line 3", "/conversation_id", "the row does not say which conversation it is of")]


def test_a_table_of_one_conversation_may_be_named_as_utterances() -> None:
    read = Read(b"start,speaker,text\n00:00:05,Ada,one\n00:00:09,Sol,two\n", layout="utterances")
    assert read.described == [
        {
            "content": {
                "turns": [
                    {"speaker": "Ada", "text": "one", "start": 5.0},
                    {"speaker": "Sol", "text": "two", "start": 9.0},
                ]
            }
        }
    ]
    assert read.reading.notes[0].startswith("no field (`conversation_id`, `conversation`, `conv_id`) says which")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"turns": 3}, ("line 6", "the conversation `x` has more than 3 turns; that is the limit")),
        (
            {"document_characters": 25},
            ("line 6", "the conversation `x` has more than 25 characters; that is the limit"),
        ),
    ],
)
def test_a_conversation_above_the_limit_is_refused_at_the_row_that_exceeds_it(
    limits: dict[str, int], told: tuple[str, str]
) -> None:
    rows = "".join(f"x,Ada,{number}\ny,Sol,{number}\n" for number in range(1))
    table = f"conversation_id,speaker,text\n{rows}x,Ada,1\nx,Sol,2\nx,Ada,3\nx,Ada,4\n"
    assert Read(table.encode(), **limits).faults == [(told[0], "", told[1])]


def test_pseudonyms_are_by_first_speech_in_order_of_time() -> None:
    read = Read(
        b"conversation_id,speaker,text,timestamp\nx,Ada,two,20\nx,Sol,one,10\nx,Ada,three,30\n", names="pseudonyms"
    )
    assert said(read) == {"x": [("P1", "one"), ("P2", "two"), ("P2", "three")]}
