"""From one entry of the models file to the files that are meant."""

from __future__ import annotations

from pathlib import Path

from attention.errors import FolderMissing, ModelUnavailable
from attention.model.adapter import Adapter
from attention.model.model import ModelSource
from attention.model.source.checkpoint import Checkpoint, GgufCheckpoint, SafetensorsCheckpoint
from attention.model.source.hub import hub_adapter, hub_folder
from attention.model.source.kept import kept_checkpoint
from attention.model.weights import CONFIG


def model_folder(source: ModelSource) -> Path:
    """The folder of a model's files, fetched from the hub where that is the source.

    Raises ModelUnavailable, RevisionMissing, and what the checks of a hub model raise.
    """
    if (source.path is None) == (source.hub is None):
        raise ModelUnavailable(f"the model {source.id} has to have either a `path` or a `hub` name in the models file")
    return source.path if source.path is not None else hub_folder(source.hub or "", source.revision)


def weights_digest(source: ModelSource) -> str:
    """SHA-256 in hexadecimal of everything that changes a model's numbers: for one safetensors file the file's own.

    Raises what `checkpoint_of` and `adapter_of` raise.
    """
    adapter = adapter_of(source)
    own = checkpoint_of(source).digest
    return own if adapter is None else adapter.digest(own)


def checkpoint_of(source: ModelSource) -> Checkpoint:
    """The files of a model. Raises ModelRefused or ModelUnavailable with the reason."""
    folder = model_folder(source)
    file = _gguf_file(source, folder)
    if file is None:
        return SafetensorsCheckpoint(source.id, folder)
    original = GgufCheckpoint(source.id, file)
    return original if source.kept is None else kept_checkpoint(source, original, source.kept)


def _gguf_file(source: ModelSource, folder: Path) -> Path | None:
    """The GGUF file that is meant: the one that is named, or the only one in a folder without another model."""
    if source.gguf is not None:
        if not (folder / source.gguf).is_file():
            raise FolderMissing(f"the folder of {source.id} has no {source.gguf}; correct `gguf` in the models file")
        return folder / source.gguf
    if not folder.is_dir() or (folder / CONFIG).is_file():
        return None
    found = sorted(file for file in folder.iterdir() if file.suffix == ".gguf")
    if len(found) > 1:
        raise FolderMissing(
            f"the folder of {source.id} has {len(found)} GGUF files; name one of them as `gguf` in the models file"
        )
    return found[0] if found else None


def adapter_of(source: ModelSource) -> Adapter | None:
    """The adapter that is to be merged into a model, found but not yet read; none for a network of random weights.

    Raises FolderMissing, RevisionMissing, and what `hub_adapter` raises.
    """
    if source.adapter is None or source.untrained_seed is not None:
        return None
    place = Path(source.adapter).expanduser()
    if not place.is_absolute():
        return Adapter(source.id, hub_adapter(source.adapter, source.adapter_revision), source.adapter)
    if not place.is_dir():
        raise FolderMissing(f"the folder of the adapter of {source.id} does not exist; correct `adapter`")
    return Adapter(source.id, place, place.resolve().name)
