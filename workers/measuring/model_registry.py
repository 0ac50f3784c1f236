"""The models that a worker serves: loaded on first use, their state and facts told in the database."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import RLock

from sqlalchemy import Engine

from attention.errors import HearkenError, ModelRefused, ModelUnavailable
from attention.measure.pass_memory import CLAIM_TOKENS, CPU_TOKENS, budget_of
from attention.measure.profile_scale import measured_scale
from attention.model.cache import ModelCache, free_memory, memory_needed
from attention.model.devices import devices_named
from attention.model.model import Model, ModelSource
from attention.model.source.packaged import MINILM, packaged_model
from models.database_errors import database_is_away
from models.queries.queue.worker_registry import register_version, set_model_ready, set_model_state
from models.queries.search.profiles import StoredScale, find_scale
from models.queries.search.segments import register_index
from models.queries.search.vectors import SCOPES, VectorIndex
from models.queries.writing.profiles import store_scale
from models.settings import PACKAGED, ModelEntry
from models.states import ModelState

log = logging.getLogger(__name__)


UNTRAINED = "~untrained"
"""Follows a model's id where its architecture with random weights is meant; no id of a models file can have it."""

PROOFS = "proofs"
"""The folder of kept proofs, beside the models that are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A loaded model with the key of its version and the scale of its profiles, None where it could not be measured.

    A reference to it keeps the model in memory: drop it after use.
    """

    model: Model
    model_id: str
    version_key: int
    scale: StoredScale | None


def source_of(entry: ModelEntry, cache: Path) -> ModelSource:
    """Where the weights of an entry of the models file are; `cache` is a folder for what is made and found of
    them once.

    Raises ModelUnavailable for a missing package.
    """
    if entry.packaged:
        by_id = entry.id if entry.id in PACKAGED else MINILM
        chosen = packaged_model(by_id if entry.packaged is True else entry.packaged, cache)
        return replace(
            chosen,
            id=entry.id,
            dtype=entry.dtype,
            device=entry.device,
            max_tokens=entry.max_tokens,
            proofs=cache / PROOFS,
        )
    return ModelSource(
        id=entry.id,
        path=entry.path,
        hub=entry.hub,
        revision=entry.revision,
        gguf=entry.gguf,
        adapter=entry.adapter,
        adapter_revision=entry.adapter_revision,
        dtype=entry.dtype,
        device=entry.device,
        max_tokens=entry.max_tokens,
        sha256=entry.sha256,
        proofs=cache / PROOFS,
    )


def user_cache() -> Path:
    """Where dequantized models and proofs are kept for a worker without a data folder of its own."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearken" / "models"


class ModelRegistry:
    """The models of the models file, by id, of which as many are loaded as memory allows.

    An id with `UNTRAINED` behind it is the same architecture with random weights, a control that clients never see.

    A refusal is final for this process; a model that was unavailable is tried again. `budgets` says how many padded
    tokens a pass under each model may have that has been loaded: at most `token_budget` where that is given, less where
    little memory is free when the model is loaded, and less again where memory ran out. `sharers` tells how many
    workers share this machine's memory. `cache` is the folder in which dequantized models and proofs are kept.
    `tell_loaded` is called when one has been loaded. Models may be opened and refused from several threads.
    """

    def __init__(
        self,
        engine: Engine,
        entries: Sequence[ModelEntry],
        token_budget: int | None,
        memory_bytes: int | None = None,
        sharers: Callable[[], int] = lambda: 1,
        cache: Path | None = None,
        tell_loaded: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.entries = {entry.id: entry for entry in entries}
        self.budgets: dict[str, int] = {}
        self._token_budget = token_budget
        self._memory_bytes = memory_bytes
        self._sharers = sharers
        self._kept = cache or user_cache()
        self._cache = ModelCache(self._sources(), self._free)
        self._versions: dict[str, tuple[int, StoredScale | None]] = {}
        self._refused: dict[str, ModelRefused] = {}
        self._opening = RLock()
        self._tell_loaded = tell_loaded

    @property
    def ids(self) -> list[str]:
        """The ids that clients may name."""
        return sorted(self.entries)

    @property
    def default_id(self) -> str:
        """The id of the default model, which is the first."""
        return next(iter(self.entries))

    def budget(self, model_id: str) -> int:
        """Padded tokens that a pass under the model may have, as far as is known before it is loaded."""
        return self.budgets.get(model_id, self._token_budget or CPU_TOKENS)

    def claim_tokens(self, model_id: str) -> int:
        """Padded tokens that a claim for the model may have: a pass or, where passes had to be smaller, several."""
        return max(self.budget(model_id), self._token_budget or CLAIM_TOKENS)

    def is_open(self, model_id: str) -> bool:
        """Whether the model is loaded."""
        return model_id in self._cache.loaded

    def is_refused(self, model_id: str) -> bool:
        """Whether this process has found that the model cannot be measured."""
        return model_id in self._refused

    @property
    def loaded(self) -> tuple[str, ...]:
        """The ids that answer at once: those of the models that are in memory with everything that goes with them."""
        return tuple(name for name in self._cache.loaded if name in self.entries and name in self._versions)

    @property
    def opened_any(self) -> bool:
        """Whether any model could be opened since the process began, loaded still or not."""
        return bool(self._versions)

    @property
    def refused_all(self) -> bool:
        """Whether none of the models file can be measured."""
        return self._refused.keys() >= self.entries.keys()

    def open(self, model_id: str) -> LoadedModel:
        """The loaded model. Raises ModelRefused or ModelUnavailable, which is then also stored in the table `model`."""
        with self._opening:
            if model_id in self._refused:
                raise self._refused[model_id]
            if not (self.is_open(model_id) and model_id in self._versions):
                self._open(model_id)
            return LoadedModel(self._cache.model(model_id), model_id, *self._versions[model_id])

    def refuse(self, model_id: str, refusal: ModelRefused) -> None:
        """From now on the model is refused, because it turned out that it cannot be measured."""
        with self._opening:
            self._refused[model_id] = refusal
            self._cache.drop(model_id)
            self._tell(model_id, ModelState.REFUSED, refusal)

    def _open(self, model_id: str) -> None:
        """Load a model and make ready everything that goes with it; only then is it said to be ready.

        Whatever fails on the way is the model's state, with its reason. Only where the database is away there is nobody
        to tell, and its error is raised: that is no fault of the model.
        """
        self._tell(model_id, ModelState.LOADING)
        try:
            self._source(model_id)  # says what to install where a packaged model is missing
            model = self._cache.model(model_id)
            version = self._prepared(model_id, model)
            if not model_id.endswith(UNTRAINED):
                with self.engine.begin() as connection:
                    set_model_ready(connection, model_id, asdict(model.facts))
        except ModelRefused as refusal:
            self.refuse(model_id, refusal)
            raise
        except ModelUnavailable as absence:
            self._forget(model_id, absence)
            raise
        except Exception as error:
            if database_is_away(error):
                self._cache.drop(model_id)
                raise
            log.exception("model=%s could not be opened", model_id)
            failure = ModelUnavailable(
                f"the model {model_id} could not be loaded ({type(error).__name__}); the worker's log tells more"
            )
            self._forget(model_id, failure)
            raise failure from error
        self._versions[model_id] = version
        self._tell_loaded()

    def _forget(self, model_id: str, absence: ModelUnavailable) -> None:
        self._cache.drop(model_id)
        self._tell(model_id, ModelState.UNAVAILABLE, absence)

    def _prepared(self, model_id: str, model: Model) -> tuple[int, StoredScale | None]:
        """The key and the scale of a loaded model's version, whose vectors are made known and token budget is found."""
        with self.engine.begin() as connection:
            key = register_version(connection, model_id.removesuffix(UNTRAINED), asdict(model.facts))
        with self.engine.begin() as connection:
            for scope in SCOPES:
                index = VectorIndex(key, model.facts.hidden_size, scope)
                register_index(connection, index, wanted=scope == "document")
        most = self.budgets.get(model_id, self._token_budget)
        self.budgets[model_id] = budget_of(model, self._share(model.facts.device), most)
        log.info(
            "opened model=%s revision=%s device=%s kernel=%s tokens a pass=%d",
            model_id,
            model.facts.revision,
            model.facts.device,
            model.facts.kernel,
            self.budgets[model_id],
        )
        return key, self._scale(model_id, model, key)

    def _scale(self, model_id: str, model: Model, version_key: int) -> StoredScale | None:
        """The scale of the version's profiles, measured where this is the first time that anybody opens it."""
        with self.engine.connect() as connection:
            stored = find_scale(connection, version_key)
        if stored is None:
            try:
                scale = measured_scale(model, self.budgets[model_id])
            except Exception:  # whatever it is, the model can still measure documents
                log.exception("model=%s has no scale of profiles; nothing of it is found by its profile", model_id)
                return None
            with self.engine.begin() as connection:
                stored = store_scale(connection, version_key, scale)
            log.info("measured the scale of profiles of model=%s", model_id)
        with self.engine.begin() as connection:
            register_index(connection, stored.index, wanted=True)
        return stored

    def _tell(self, model_id: str, state: ModelState, error: HearkenError | None = None) -> None:
        if error is not None:
            log.warning("model=%s is %s: %s", model_id, state, error)
        if model_id.endswith(UNTRAINED):
            return
        reason, message = (None, None) if error is None else (error.code, str(error))
        with self.engine.begin() as connection:
            set_model_state(connection, model_id, state, reason, message)

    def _sources(self) -> dict[str, ModelSource]:
        sources = {}
        for entry in self.entries.values():
            try:
                sources[entry.id] = self._source(entry.id)
                sources[entry.id + UNTRAINED] = replace(
                    sources[entry.id], id=entry.id + UNTRAINED, sha256=None, untrained_seed=0
                )
            except ModelUnavailable as absence:
                log.warning("model=%s cannot be served: %s", entry.id, absence)
        return sources

    def _source(self, model_id: str) -> ModelSource:
        return source_of(self.entries[model_id.removesuffix(UNTRAINED)], self._kept)

    def _share(self, device: str) -> int:
        """Bytes that a pass of this worker may count on: a GPU's are its own, the machine's are every worker's."""
        free = min(free_memory(str(each)) for each in devices_named(device))
        return free // (self._sharers() if device == "cpu" else 1)

    def _free(self, device: str) -> int:
        """Bytes that another model may take on a device: most of what is free, or what the setting leaves."""
        free = free_memory(device) * 9 // 10
        if self._memory_bytes is None:
            return free
        sources = self._sources()
        return min(free, self._memory_bytes - sum(memory_needed(sources[name]) for name in self._cache.loaded))
