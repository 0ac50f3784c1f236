"""Models from the hub: found by name and commit, checked before the weights are downloaded, kept in the hub's cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from attention.errors import HubUnreachable, IncompleteModel, RevisionMissing, UnsafeWeights
from attention.model.checks.families import proven_family
from attention.model.quantization.schemes import format_of
from attention.model.weights import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CONFIG,
    INDEX,
    SINGLE,
    configuration,
    no_safe_weights,
    weight_files,
)

NEEDED: Final = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is downloaded: configuration, weights and tokenizer, from the top folder. Never code, never pickled files."""

ADAPTER: Final = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)

VOCABULARIES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")

ANSWER_WITHIN: Final = 10.0  # seconds


def hub_folder(name: str, revision: str | None) -> Path:
    """The folder of a hub model at one commit, downloaded unless the cache holds it; `name` is `owner/model`.

    The file list and the configuration are checked first, so a model that would be refused costs no download. Without a
    network, or with HF_HUB_OFFLINE, the answer comes within seconds.

    Raises RevisionMissing, HubUnreachable, and what `configuration`, `proven_family`, `format_of` and
    `weight_files` raise.
    """
    if not revision:
        raise RevisionMissing(
            f"{name} comes from the hub without a `revision`; name the commit in the models file, for what a branch "
            "holds changes"
        )
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(NEEDED), local_files_only=True))
    except LocalEntryNotFoundError:
        return _download(name, revision)
    except ValueError as error:  # not a valid name
        raise HubUnreachable(f"`{name}` is no name of a hub model; write it as owner/model") from error
    return folder if _complete(name, folder) else _download(name, revision)


def _complete(name: str, folder: Path) -> bool:
    """Whether a cached folder has what a model needs: an interrupted download leaves some of its files."""
    if not (folder / CONFIG).is_file() or not any((folder / vocabulary).is_file() for vocabulary in VOCABULARIES):
        return False
    try:
        return bool(weight_files(name, folder))
    except (IncompleteModel, UnsafeWeights):
        return False


def hub_adapter(name: str, revision: str | None) -> Path:
    """The folder of a hub adapter at one commit: its configuration and its safetensors, and nothing else.

    Raises RevisionMissing, UnsafeWeights where it has no safetensors, and HubUnreachable.
    """
    if not revision:
        raise RevisionMissing(
            f"the adapter {name} comes from the hub without an `adapter_revision`; name the commit in the models file"
        )
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(ADAPTER), local_files_only=True))
        if all((folder / file).is_file() for file in ADAPTER):
            return folder
    except LocalEntryNotFoundError:
        pass
    except ValueError as error:  # not a valid name
        raise HubUnreachable(f"`{name}` is no name of a hub adapter; write it as owner/adapter") from error
    with _in_our_words(name, revision):
        hub = HfApi()
        found = hub.model_info(name, revision=revision, timeout=ANSWER_WITHIN)
        files = {entry.rfilename for entry in found.siblings or ()}
        if not files.issuperset(ADAPTER):
            raise UnsafeWeights(
                f"{name} has no {' and no '.join(sorted({*ADAPTER} - files))}, so it is no adapter here"
            )
        for file in ADAPTER:
            fetched = Path(hub.hf_hub_download(name, file, revision=found.sha or revision))
    return fetched.parent


def _download(name: str, revision: str) -> Path:
    with _in_our_words(name, revision):
        # One plain request first: unlike the download, it does not retry for half a minute.
        hub = HfApi()
        found = hub.model_info(name, revision=revision, timeout=ANSWER_WITHIN)
        files = [entry.rfilename for entry in found.siblings or ()]
        if SINGLE not in files and INDEX not in files:
            raise no_safe_weights(name, files)
        commit = found.sha or revision
        stated = configuration(name, Path(hub.hf_hub_download(name, CONFIG, revision=commit)).parent)
        proven_family(name, stated)
        format_of(name, stated)
        for file in files:
            if "/" not in file and any(fnmatch(file, pattern) for pattern in NEEDED):
                fetched = Path(hub.hf_hub_download(name, file, revision=commit))
    weight_files(name, fetched.parent)
    return fetched.parent


@contextmanager
def _in_our_words(name: str, revision: str) -> Iterator[None]:
    """Turn what the hub's library raises into errors that say what to do."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise HubUnreachable(
            f"{name} is not in the hub's cache and HF_HUB_OFFLINE forbids fetching it; unset it, or download the model "
            "elsewhere and give its folder as `path`"
        ) from error
    except GatedRepoError as error:
        raise HubUnreachable(f"{name} is gated; accept its terms on the hub and set HF_TOKEN") from error
    except RevisionNotFoundError as error:
        raise HubUnreachable(f"the hub has no revision {revision} of {name}; name one of its commits") from error
    except RepositoryNotFoundError as error:
        raise HubUnreachable(
            f"the hub does not know {name}, or it is private; correct the name, or set HF_TOKEN"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise _unreachable(name) from error
    except Exception as error:
        if _from_the_network(error):
            raise _unreachable(name) from error
        raise


def _unreachable(name: str) -> HubUnreachable:
    return HubUnreachable(
        f"the hub cannot be reached to fetch {name}; connect this machine, or download the model elsewhere and give "
        "its folder as `path` in the models file"
    )


def _from_the_network(error: Exception) -> bool:
    """Whether an error is the HTTP client's own: the hub's library changes its client between versions."""
    return any(kind.__name__ in ("RequestError", "HTTPError", "TransportError") for kind in type(error).__mro__)
