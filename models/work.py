"""How a document is to be measured, and the key under which equal requests find each other."""

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from attention.definitions import DEFINITIONS
from attention.measure.batches import estimate_tokens

RENDERING = "hearken-rendering/1"
"""Changes whenever the same content could be rendered to other tokens or spans."""


class Sampling(BaseModel):
    """Seeded windows of one size, spread over the document: how comparisons control for length."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_tokens: int = Field(ge=8)
    count: int = Field(ge=1)
    seed: int
    window_characters: int | None = Field(default=None, ge=32)
    """Where given, a window has so many characters, the same under every model, and `window_tokens` is not used."""
    first_window: bool = False
    """Whether the document's first window is measured too, by itself."""

    @property
    def window_estimate(self) -> int:
        """About how many tokens a window has."""
        return self.window_tokens if self.window_characters is None else estimate_tokens(self.window_characters)


Control = Literal["untrained", "shuffled_tokens", "shuffled_turns", "permuted_speakers"]
"""What a control measurement leaves out: training, or the order of tokens, turns or speakers."""


class WorkOptions(BaseModel):
    """Everything besides content and model that the numbers depend on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overflow: Literal["window", "truncate", "reject"] = "window"
    labels: Literal["keep", "drop"] = "keep"
    sampling: Sampling | None = None
    control: Control | None = None
    layer_embeddings: bool = False
    """Whether the document's embedding is kept at every layer."""

    def under(self, control: Control) -> Self:
        """These options with a control. It measures no first window: a control is compared over the whole document."""
        plain = None if self.sampling is None else self.sampling.model_copy(update={"first_window": False})
        return self.model_copy(update={"sampling": plain, "control": control})


def content_digest(content: dict[str, Any]) -> bytes:
    """SHA-256 of a document's content in canonical JSON, without the times of turns, which change no number."""
    if "turns" in content:
        content = {"turns": [{"speaker": turn["speaker"], "text": turn["text"]} for turn in content["turns"]]}
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()


def request_key(content_sha256: bytes, options: WorkOptions, max_tokens: int | None) -> bytes:
    """Names what is asked of a model version, before any tokenizer has seen it: equal keys give equal numbers.

    `max_tokens` is that of the models file, since it decides where a long document is cut.
    """
    return hashlib.sha256(content_sha256 + request_settings(options, max_tokens)).digest()


def request_settings(options: WorkOptions, max_tokens: int | None) -> bytes:
    """What follows the content's digest in a request key; the database makes many keys with it at once."""
    settings = [DEFINITIONS, RENDERING, max_tokens, options.model_dump(mode="json")]
    return json.dumps(settings, sort_keys=True).encode()


def work_key(rendered_digest: bytes, revision: str, weights_sha256: str, dtype: str) -> bytes:
    """Names a measurement: rendered token ids and spans, exact weights and configuration, dtype and definitions.

    The revision stands for the configuration: the same weights under another rotary base are another model.
    """
    parts = [DEFINITIONS.encode(), revision.encode(), weights_sha256.encode(), dtype.encode(), rendered_digest]
    return hashlib.sha256(b"\0".join(parts)).digest()
