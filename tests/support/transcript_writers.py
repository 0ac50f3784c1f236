"""Turns written down as programs write them, so that tests can read them back. One function a format."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from formats.documents import Turn

Writer = Callable[[Sequence[Turn]], str]
BEGAN = datetime(2024, 5, 13, 9, 5, 12)  # the 13th: a day that is no month


def _clock(number: int, decimal: str = ".", end: bool = False) -> str:
    seconds = 3 * number + (2 if end else 0)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal}000"


def webvtt(turns: Sequence[Turn]) -> str:
    """Voices."""
    cues = [
        f"{_clock(number)} --> {_clock(number, end=True)}\n<v {html.escape(turn.speaker, quote=False)}>"
        f"{html.escape(turn.text, quote=False)}</v>\n"
        for number, turn in enumerate(turns)
    ]
    return "WEBVTT\n\n" + "\n".join(cues)


def webvtt_names(turns: Sequence[Turn]) -> str:
    """Names before colons."""
    cues = [
        f"{number + 1}\n{_clock(number)} --> {_clock(number, end=True)}\n"
        f"{html.escape(f'{turn.speaker}: {turn.text}', quote=False)}\n"
        for number, turn in enumerate(turns)
    ]
    return "WEBVTT\n\n" + "\n".join(cues)


def srt(turns: Sequence[Turn]) -> str:
    """Names before colons."""
    cues = [
        f"{number + 1}\n{_clock(number, ',')} --> {_clock(number, ',', end=True)}\n{turn.speaker}: {turn.text}\n"
        for number, turn in enumerate(turns)
    ]
    return "\n".join(cues)


def sbv(turns: Sequence[Turn]) -> str:
    """Names before colons."""
    cues = [
        f"{_clock(number)},{_clock(number, end=True)}\n{turn.speaker}: {turn.text}\n"
        for number, turn in enumerate(turns)
    ]
    return "\n".join(cues)


def lines(turns: Sequence[Turn]) -> str:
    """A line a turn."""
    return "\n".join(f"{turn.speaker}: {turn.text}" for turn in turns)


def _times() -> Callable[[int], datetime]:
    return lambda number: BEGAN + timedelta(seconds=61 * number)


def whatsapp_android(turns: Sequence[Turn]) -> str:
    """A phone set to British English."""
    at = _times()
    return "\n".join(f"{at(n):%d/%m/%Y, %H:%M} - {turn.speaker}: {turn.text}" for n, turn in enumerate(turns))


def whatsapp_ios(turns: Sequence[Turn]) -> str:
    """A phone set to German."""
    at = _times()
    return "\r\n".join(f"[{at(n):%d.%m.%y, %H:%M:%S}] {turn.speaker}: {turn.text}" for n, turn in enumerate(turns))


def _numbers(turns: Sequence[Turn]) -> dict[str, int]:
    """A number for every speaker, by first speech."""
    return {speaker: number for number, speaker in enumerate(dict.fromkeys(turn.speaker for turn in turns))}


def telegram(turns: Sequence[Turn]) -> str:
    """The JSON of one chat."""
    at, ids = _times(), _numbers(turns)
    messages = [
        {"id": n, "type": "message", "date": f"{at(n):%Y-%m-%dT%H:%M:%S}", "date_unixtime": str(1715591112 + 61 * n),
         "from": turn.speaker, "from_id": f"user{ids[turn.speaker]}", "text": turn.text,
         "text_entities": [{"type": "plain", "text": turn.text}]}
        for n, turn in enumerate(turns)
    ]  # fmt: skip
    return json.dumps({"name": "Harbour", "type": "private_group", "id": 1, "messages": messages}, ensure_ascii=False)


def discord(turns: Sequence[Turn]) -> str:
    """A channel's JSON."""
    at, ids = _times(), _numbers(turns)
    messages = [
        {"id": str(n), "type": "Default", "timestamp": f"{at(n):%Y-%m-%dT%H:%M:%S}+00:00", "content": turn.text,
         "author": {"id": str(ids[turn.speaker]), "name": turn.speaker, "nickname": turn.speaker, "isBot": False},
         "attachments": [], "embeds": []}
        for n, turn in enumerate(turns)
    ]  # fmt: skip
    return json.dumps({"guild": {"id": "1", "name": "G"}, "channel": {"id": "2", "name": "c"}, "messages": messages})


def otter(turns: Sequence[Turn]) -> str:
    """Headers and paragraphs."""
    blocks = [f"{turn.speaker}  {3 * n // 60}:{3 * n % 60:02}\n{turn.text}\n" for n, turn in enumerate(turns)]
    return "\n".join(blocks)


def whisper(turns: Sequence[Turn]) -> str:
    """Segments with speakers, as WhisperX gives them."""
    segments = [
        {"start": 3.0 * n, "end": 3.0 * n + 2, "text": f" {turn.text}", "speaker": turn.speaker, "words": []}
        for n, turn in enumerate(turns)
    ]
    return json.dumps({"segments": segments, "language": "en"})


def deepgram(turns: Sequence[Turn]) -> str:
    """Utterances; speakers are numbers, so names are lost: read back as `Speaker N` by first speech."""
    numbers = _numbers(turns)
    utterances = [
        {"start": 3.0 * n, "end": 3.0 * n + 2, "confidence": 0.9, "channel": 0, "transcript": turn.text, "words": [],
         "speaker": numbers[turn.speaker], "id": str(n)}
        for n, turn in enumerate(turns)
    ]  # fmt: skip
    alternative = {"transcript": " ".join(turn.text for turn in turns), "confidence": 0.9, "words": []}
    results = {"channels": [{"alternatives": [alternative]}], "utterances": utterances}
    return json.dumps({"metadata": {"request_id": "r", "channels": 1}, "results": results})


def assemblyai(turns: Sequence[Turn]) -> str:
    """Utterances."""
    utterances = [
        {"confidence": 0.9, "start": 3000 * n, "end": 3000 * n + 2000, "text": turn.text, "speaker": turn.speaker,
         "words": []}
        for n, turn in enumerate(turns)
    ]  # fmt: skip
    whole = " ".join(turn.text for turn in turns)
    return json.dumps({"id": "a", "status": "completed", "text": whole, "words": [], "utterances": utterances})


def openai(turns: Sequence[Turn]) -> str:
    """Diarized JSON."""
    segments = [
        {"type": "transcript.text.segment", "id": f"seg_{n}", "start": 3.0 * n, "end": 3.0 * n + 2, "text": turn.text,
         "speaker": turn.speaker}
        for n, turn in enumerate(turns)
    ]  # fmt: skip
    whole = " ".join(turn.text for turn in turns)
    return json.dumps({"task": "transcribe", "duration": 3.0 * len(turns), "text": whole, "segments": segments})


def elan(turns: Sequence[Turn]) -> str:
    """Tab-delimited text: tier, participant, begin, end, annotation."""
    rows = [f"{turn.speaker}\t\t{_clock(n)}\t{_clock(n, end=True)}\t{turn.text}" for n, turn in enumerate(turns)]
    return "\n".join(rows)


BY_FORMAT: Mapping[str, Sequence[Writer]] = {
    "webvtt": (webvtt, webvtt_names),
    "srt": (srt,),
    "sbv": (sbv,),
    "lines": (lines,),
    "whatsapp": (whatsapp_android, whatsapp_ios),
    "telegram": (telegram,),
    "discord": (discord,),
    "otter": (otter,),
    "whisper": (whisper,),
    "deepgram": (deepgram,),
    "assemblyai": (assemblyai,),
    "openai": (openai,),
    "elan": (elan,),
}
