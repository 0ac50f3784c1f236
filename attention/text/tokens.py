"""How one tokenizer reads text: ids with character offsets, and the special tokens that surround a sequence.

Settings of a tokenizer that would prevent exact spans are switched off on a private copy: truncation, padding and
offset trimming. Text is read as text: a document that contains the letters `[SEP]` or `</s>` gets no
control token from them.

Which added tokens are control tokens: those that the tokenizer calls special, those whose names have the shape of a
mark (`MARK`), and those in brackets that the chat template writes. Other added tokens, such as runs of spaces or words
of a trade, are vocabulary, and are read wherever they stand.
"""

from __future__ import annotations

import json
import re
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from attention.errors import SlowTokenizer, UnreadableText

MARK: Final = re.compile(
    r"<[|｜].*[|｜]>"
    r"|</?(?:s|pad|unk|bos|eos|cls|sep|mask|think|tool|tools|tool_\w+|function\w*|fim_\w+|file_sep|repo_name|reponame"
    r"|filename|gh_stars|issue_\w+|jupyter_\w+|empty_output|commit_\w+|unused\d+|reserved\w*|extra_id_\d+"
    r"|start_of_\w+|end_of_\w+)>"
    r"|\[/?[A-Z][A-Z_]*\d*\]",
    re.IGNORECASE,
)
"""Names that are marks, whether or not their tokenizer calls them special: roles, tools, parts of files, reserves."""

BRACKETS: Final = {"<": ">", "[": "]", "{": "}", "|": "|"}


class FastTokenizer(Protocol):
    """What a tokenizer must have: the fast tokenizers of transformers have all of it."""

    @property
    def backend_tokenizer(self) -> Any: ...

    chat_template: Any
    unk_token_id: int | None

    def get_chat_template(self) -> str: ...

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """n tokens of one text without the special tokens around it; token t covers `text[start[t]:end[t]]`.

    Tokens that are pieces of one character all cover that character. `start` never decreases.
    """

    ids: NDArray[np.int64]  # (n,)
    start: NDArray[np.int64]  # (n,) characters
    end: NDArray[np.int64]  # (n,) characters
    special: NDArray[np.bool_]  # (n,) control tokens; all False unless `control` was asked for

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> Tokens:
        return Tokens(self.ids[part], self.start[part], self.end[part], self.special[part])

    def moved(self, characters: int) -> Tokens:
        """The same tokens of a text that begins so many characters later."""
        return Tokens(self.ids, self.start + characters, self.end + characters, self.special)

    @classmethod
    def joined(cls, parts: Sequence[Tokens]) -> Tokens:
        """Tokens one after the other."""
        ids, start, end, special = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "start", "end", "special")
        )
        return cls(ids, start, end, special)


class TokenReader:
    """One tokenizer, ready to read. `prefix` and `suffix` are the special tokens it puts around a sequence."""

    def __init__(self, tokenizer: FastTokenizer) -> None:
        """Raises SlowTokenizer where the tokenizer has no character offsets."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise SlowTokenizer(
                "this model's tokenizer gives no character offsets, so its tokens cannot be given to turns; "
                "use a model with a fast tokenizer (a tokenizer.json file)"
            )
        reader = type(backend).from_str(_with_marks_special(backend.to_str(), _template_of(tokenizer)))
        reader.no_truncation()
        reader.no_padding()
        reader.encode_special_tokens = False
        around = reader.encode("a")
        inside = [place for place, special in enumerate(around.special_tokens_mask) if not special]
        if not inside:
            raise SlowTokenizer("this model's tokenizer reads a plain letter as nothing but special tokens")
        self.prefix: NDArray[np.int64] = np.array(around.ids[: inside[0]], dtype=np.int64)
        self.suffix: NDArray[np.int64] = np.array(around.ids[inside[-1] + 1 :], dtype=np.int64)
        reader.post_processor = None  # it trims spaces off the offsets of byte-level tokenizers
        self._reader = reader
        unknown = tokenizer.unk_token_id
        self._control = np.array(
            sorted(
                token
                for token, added in reader.get_added_tokens_decoder().items()
                if added.special and token != unknown
            ),
            dtype=np.int64,
        )
        self._switch = threading.Lock()
        self._inner: Any = None

    @property
    def around(self) -> int:
        """How many special tokens every sequence carries."""
        return len(self.prefix) + len(self.suffix)

    def read(self, text: str, *, control: bool = False) -> Tokens:
        """Tokens of `text`, without the special tokens around it.

        With `control` the names of control tokens in the text become those tokens, as a chat template means them to.

        Raises UnreadableText where the text is no valid Unicode.
        """
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UnreadableText(
                f"character {error.start} is half of a surrogate pair; send the text as valid Unicode"
            ) from error
        return self._read(self._reader, text, control=control)

    def read_inside(self, text: str) -> Tokens:
        """Tokens of a text that stands behind a control token: without the space that some put before a beginning."""
        if self._inner is None:
            self._inner = type(self._reader).from_str(_without_first_space(self._reader.to_str()))
        return self._read(self._inner, text, control=False)

    def _read(self, reader: Any, text: str, *, control: bool) -> Tokens:
        with self._switch:
            reader.encode_special_tokens = not control
            encoding = reader.encode(text, add_special_tokens=False)
        ids = np.array(encoding.ids, dtype=np.int64)
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        start = np.maximum.accumulate(offsets[:, 0]) if len(ids) else offsets[:, 0]
        special = np.isin(ids, self._control) if control else np.zeros(len(ids), dtype=np.bool_)
        return Tokens(ids=ids, start=start, end=np.maximum(offsets[:, 1], start), special=special)


def _template_of(tokenizer: FastTokenizer) -> str:
    template = getattr(tokenizer, "chat_template", None)
    return template if isinstance(template, str) else " ".join(template.values()) if isinstance(template, dict) else ""


def is_mark(name: str, template: str) -> bool:
    """Whether the name of an added token is that of a control token, by its shape or by the chat template."""
    name = name.strip()
    bracketed = len(name) > 2 and BRACKETS.get(name[0].replace("｜", "|")) == name[-1].replace("｜", "|")
    return bool(MARK.fullmatch(name)) or (bracketed and name in template)


def _with_marks_special(stored: str, template: str) -> str:
    """A tokenizer's JSON in which every control token is called special, so that all are read alike."""
    content = json.loads(stored)
    for added in content.get("added_tokens") or ():
        added["special"] = added["special"] or is_mark(added["content"], template)
    return json.dumps(content)


def _without_first_space(stored: str) -> str:
    """A tokenizer's JSON in which no text gets a space before its beginning."""
    content = json.loads(stored)
    splits = content.get("pre_tokenizer") or {}
    for split in splits.get("pretokenizers", [splits]):
        if split.get("prepend_scheme") == "first":
            split["prepend_scheme"] = "never"
    return json.dumps(content)


def surface(tokenizer: FastTokenizer, ids: NDArray[np.int64]) -> list[str]:
    """The tokenizer's own text of each token of `ids` (n,), decoded by itself.

    A token that holds only some of a character's bytes reads as the replacement character.
    """
    known, place = np.unique(ids, return_inverse=True)
    texts = tokenizer.backend_tokenizer.decode_batch([[token] for token in known.tolist()], skip_special_tokens=False)
    return [texts[index] for index in place.tolist()]


_readers: weakref.WeakKeyDictionary[Any, TokenReader] = weakref.WeakKeyDictionary()


def token_reader(tokenizer: FastTokenizer) -> TokenReader:
    """The reader of a tokenizer, made once: copying a large vocabulary takes up to a second."""
    reader = _readers.get(tokenizer)
    if reader is None:
        reader = _readers[tokenizer] = TokenReader(tokenizer)
    return reader
