"""Transcripts in an archive: each file one conversation, whatever its format is."""

from formats.datasets.archives.entries import Entries, Entry
from formats.datasets.archives.kinds import MOST_TRANSCRIPT_BYTES
from formats.datasets.archives.reading import ArchiveReading, of_transcript
from formats.datasets.records import Fault, Record
from formats.documents import Place
from formats.errors import BadTranscript
from formats.transcripts.read import read_transcript

LAYOUT = "transcripts"


def transcript(entries: Entries, entry: Entry, identity: str, reading: ArchiveReading) -> Record | Fault:
    """The document of a file, or why it cannot be read. Raises `UnreadableFile`."""
    place = Place(1, file=entry.name)
    if entry.size > MOST_TRANSCRIPT_BYTES:
        return Fault(place, "", f"the file has {entry.size} bytes; a transcript has at most {MOST_TRANSCRIPT_BYTES}")
    content = b"".join(entries.pieces(entry))
    try:
        read = read_transcript(content, names=reading.names, file_name=entry.base)
    except BadTranscript as error:
        return Fault(Place(error.line or 1, file=entry.name), "", str(error))
    reading.met(LAYOUT)
    return of_transcript(read, reading.identity(identity), place)
