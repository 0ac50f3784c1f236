"""How one tokenizer reads text: ids with character offsets, and the special tokens that surround a sequence.

Settings of a tokenizer that would prevent exact spans are switched off on a private copy: truncation, padding and
offset trimming. Text is read as text: a document that contains the letters `[SEP]` or `</s>` gets no
control token from them.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attention.errors import SlowTokenizer, UnreadableText


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
        reader = type(backend).from_str(backend.to_str())
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
        with self._switch:
            self._reader.encode_special_tokens = not control
            encoding = self._reader.encode(text, add_special_tokens=False)
        ids = np.array(encoding.ids, dtype=np.int64)
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        start = np.maximum.accumulate(offsets[:, 0]) if len(ids) else offsets[:, 0]
        special = np.isin(ids, self._control) if control else np.zeros(len(ids), dtype=np.bool_)
        return Tokens(ids=ids, start=start, end=np.maximum(offsets[:, 1], start), special=special)


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
