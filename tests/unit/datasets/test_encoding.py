"""Text is told from its bytes, whole or in pieces of any size alike; what no bytes can prove is called a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.encoding import Transcoder, decoded
from formats.errors import BadTranscript, UnreadableFile

TEXT = "Mira: déjà vu – “où?” 👋\r\nBo: ясно\n"


def in_pieces(data: bytes, piece: int) -> tuple[bytes, str]:
    """The text as UTF-8, and its encoding, of bytes that arrive in pieces."""
    transcoder = Transcoder()
    found = b"".join(transcoder.feed(data[start : start + piece]) for start in range(0, len(data), piece))
    return found + transcoder.finish(), transcoder.encoding


def transcoded(data: bytes, piece: int) -> tuple[str, str]:
    """The same as `decoded` gives it."""
    text, encoding = in_pieces(data, piece)
    return text.decode(), encoding


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("python_name", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32-le"),
    ],
)
@pytest.mark.parametrize("text", [TEXT, "plain\n" * 1_000 + TEXT, "plain"])
def test_every_encoding_gives_the_same_text(text: str, python_name: str, encoding: str, piece: int) -> None:
    data = text.encode(python_name)
    assert decoded(data) == (text, encoding)
    assert transcoded(data, piece) == (text, encoding)


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
@pytest.mark.parametrize("before", ["", "a" * 5_000])
def test_windows_1252_is_guessed_where_the_first_letter_beyond_ascii_is_no_utf_8(before: str, piece: int) -> None:
    text = before + "café “naïve” – 5 €"
    data = text.encode("cp1252")
    assert decoded(data) == (text, "windows-1252")
    assert transcoded(data, piece) == (text, "windows-1252")


@given(st.binary(min_size=1).map(lambda data: b"text: " + data), st.integers(1, 9))
def test_pieces_make_no_difference_whatever_the_bytes_are(data: bytes, piece: int) -> None:
    transcoder = Transcoder()
    try:
        whole = transcoder.feed(data) + transcoder.finish()
    except UnreadableFile as error:
        with pytest.raises(UnreadableFile, match=str(error)):
            in_pieces(data, piece)
    else:
        assert in_pieces(data, piece) == (whole, transcoder.encoding)


def test_a_byte_that_is_no_utf_8_after_letters_that_are_stays_and_makes_no_other_encoding() -> None:
    data = "é\nb\n".encode() + b"c\xff\n"
    assert in_pieces(data, 1) == (data, "utf-8")  # whoever splits it into records tells which one it is


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize("data", [b"a\r\nb\rc\n\x81", b"a\n\nb\r\xe9\x00", b"a\nb\r\n\xe9\n\x01"])
def test_bytes_that_are_no_text_are_told_by_their_line(data: bytes, piece: int) -> None:
    with pytest.raises(BadTranscript, match=r"line \d is not UTF-8; save the file as UTF-8") as whole:
        decoded(data)
    with pytest.raises(UnreadableFile) as arriving:
        transcoded(data, piece)
    assert str(arriving.value) == str(whole.value)
    assert whole.value.line == 4


def test_utf_16_that_breaks_off_is_told_by_its_line() -> None:
    for data in ("a\nb\n".encode("utf-16") + b"\x00", "a plain text\nb\n".encode("utf-16-le") + b"\x00\xd8"):
        with pytest.raises(BadTranscript, match="line 3 is not UTF-16-LE"):
            decoded(data)
        with pytest.raises(UnreadableFile, match="line 3 is not UTF-16-LE"):
            transcoded(data, 1)
