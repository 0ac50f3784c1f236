"""A GGUF file dequantized once: its numbers as a folder of safetensors, which opens in seconds.

The folder is named by the file's digest and by what it was brought to, and appears whole or not at all: it is written
beside its place, by one process at a time, and then renamed. A list of its files' digests, written last, tells a
damaged one, which is made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from torch import nn

from attention.errors import TooLittleMemory, WrongDigest
from attention.model.model import ModelSource
from attention.model.network import built_network, quiet
from attention.model.source.checkpoint import GgufCheckpoint, SafetensorsCheckpoint

log = logging.getLogger(__name__)

DTYPE: Final = "float32"
"""What the kept numbers are: a block's values are products and sums of halves, which single precision holds."""
DIGESTS: Final = "digests.json"
LOCK: Final = "being-made.lock"
BEING_MADE: Final = ".being-made-"


@dataclass(frozen=True)
class KeptCheckpoint(SafetensorsCheckpoint):
    """The kept folder of a GGUF file, which stands for the file."""

    original: GgufCheckpoint

    @property
    def files_digest(self) -> str:
        """The original's."""
        return self.original.files_digest

    @property
    def digest(self) -> str:
        """The original's, as if it were read itself."""
        return self.original.digest

    @property
    def revision(self) -> str:
        """The original's."""
        return self.original.revision

    @property
    def scheme(self) -> str | None:
        """What the original's numbers are in."""
        return self.original.scheme

    def finish(self, network: nn.Module) -> None:
        """What the original says beside its weights, which the kept folder has no place for."""
        self.original.finish(network)


def kept_checkpoint(source: ModelSource, original: GgufCheckpoint, cache: Path) -> KeptCheckpoint:
    """The kept folder of `original` inside the folder `cache`, made where it is missing or damaged.

    Raises WrongDigest where the file is not the one whose SHA-256 the source asks for, and TooLittleMemory where the
    folder cannot be written.
    """
    own = original.files_digest
    if source.sha256 is not None and own != source.sha256.lower():
        raise WrongDigest(
            f"the file {original.file.name} of {source.id} has the SHA-256 {own}, not {source.sha256}; install its "
            "package again"
        )
    place = cache / f"{original.file.stem}-{own[:16]}-{DTYPE}"
    try:
        if not _whole(place):
            cache.mkdir(parents=True, exist_ok=True)
            with _alone(cache):
                if not _whole(place):  # somebody else may have made it meanwhile
                    _make(original, place)
    except (OSError, SafetensorError) as error:
        raise TooLittleMemory(
            f"{source.id} is kept dequantized on disk, about {original.numbers() * 4 / 1e9:.1f} GB, and that cannot be "
            f"written ({getattr(error, 'strerror', None) or error}); free space in the data folder, or let this user "
            "write there"
        ) from error
    return KeptCheckpoint(source.id, place, original)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """One process at a time makes something in the folder; what an earlier one has left half made is removed."""
    with (cache / LOCK).open("w") as opened:
        flock(opened, LOCK_EX)
        for left in cache.glob(f"{BEING_MADE}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


_seen: dict[Path, tuple[tuple[int, int, int], ...]] = {}


def _whole(place: Path) -> bool:
    """Whether a kept folder has the files that were written to it; what was found right is not read again."""
    try:
        stamp = tuple(
            (file.stat().st_ino, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(place.iterdir())
        )
        if _seen.get(place) == stamp:
            return True
        listed = json.loads((place / DIGESTS).read_text(encoding="utf-8"))
        whole = bool(listed == _digests(place))
    except (OSError, ValueError):
        return False
    if whole:
        _seen[place] = stamp
    return whole


def _digests(place: Path) -> dict[str, str]:
    found = {}
    for file in sorted(place.iterdir()):
        if file.name != DIGESTS:
            with file.open("rb") as opened:
                found[file.name] = hashlib.file_digest(opened, "sha256").hexdigest()
    return found


def _make(original: GgufCheckpoint, place: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=BEING_MADE, dir=place.parent))
    try:
        log.info("model=%s is dequantized once, into %s", original.model, place)
        _write(original, building)
        (building / DIGESTS).write_text(json.dumps(_digests(building)), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        building.rename(place)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write(original: GgufCheckpoint, folder: Path) -> None:
    source = ModelSource(id=original.model, path=original.file.parent, dtype=DTYPE)
    with quiet():
        config, towers = original.configured()
        network: Any
        network, _ = built_network(source, config, original, towers=towers)
        network.save_pretrained(folder)
        tokenizer: Any = original.tokenizer()
        tokenizer.save_pretrained(folder)
