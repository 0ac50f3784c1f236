"""The data folder: making, opening and locking it; and short private folders for sockets beside it."""

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from hearken.errors import StartRefused
from hearken.local.unix_account import closed_step

_SOCKET_PATH_BYTES = 107  # a longer path does not fit the kernel's sockaddr_un
_LONGEST_SOCKET_NAME = len("/hearken-xxxxxxxx/.s.PGSQL.5432.lock")
_RELEASE_SECONDS = 15.0
_FACTS_BYTES = 4096


def make_folder(folder: Path) -> None:
    """Make `folder` and its missing parents, for us to write and, made by root, for others to pass but not to list.

    Raises `StartRefused` when it cannot be made or written.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        for missing in reversed([step for step in (folder, *folder.parents) if not step.exists()]):
            missing.mkdir(exist_ok=True)
            missing.chmod(mode)
        if not folder.is_dir():
            raise NotADirectoryError(20, "it is not a folder")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StartRefused(f"the data folder {folder} cannot be written: {error.strerror}") from None


def give_folder(folder: Path, account: int | None) -> None:
    """Make `folder`, private to `account` (None: to us), which must be able to reach it.

    Raises `StartRefused` when it cannot.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is None:
        return
    closed = closed_step(folder.parent, account)
    if closed is not None:
        raise StartRefused(
            f"the data folder {folder.parent} cannot be reached by the unprivileged user that the database runs as: "
            f"{closed} is closed to it; choose a data folder elsewhere, for example /var/lib/hearken"
        )
    try:
        os.chown(folder, account, account)
    except OSError as error:
        raise StartRefused(
            f"the data folder {folder.parent} cannot be given to the unprivileged user {account} that the database "
            f"runs as: {error.strerror}; start as an ordinary user instead"
        ) from None


class FolderLock:
    """At most one server on a folder at a time, for as long as any process that inherited `descriptor` lives.

    The lock file also remembers facts about its owner; see `remember`.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock, waiting only for an owner that has died and whose servers are still ending.

        Raises `StartRefused` when a living process holds it, or when it is not ours to open.
        """
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartRefused(
                f"the data folder {path.parent} cannot be written: {path.name}: {error.strerror}"
            ) from None
        deadline = time.monotonic() + _RELEASE_SECONDS
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                facts = _facts(os.pread(self.descriptor, _FACTS_BYTES, 0))
                if _is_alive(facts) or time.monotonic() > deadline:
                    os.close(self.descriptor)
                    raise StartRefused(
                        f"the data folder {path.parent} is in use by process {facts.get('pid', 'unknown')}; "
                        "stop that one first or choose another folder"
                    ) from None
                time.sleep(0.05)
            else:
                break
        left_over = _facts(os.pread(self.descriptor, _FACTS_BYTES, 0)).get("sockets")
        if left_over is not None and Path(left_over).name.startswith("hearken-"):
            shutil.rmtree(left_over, ignore_errors=True)

    def remember(self, **facts: str) -> None:
        """Write down who holds the lock, and `facts` about it; ``sockets`` is a folder to clear after a crash."""
        started = psutil.Process().create_time()
        content = json.dumps({"pid": os.getpid(), "started": started, **facts}).encode()
        os.pwrite(self.descriptor, content, 0)
        os.ftruncate(self.descriptor, len(content))

    def release(self) -> None:
        """Release the lock; a guard that still runs keeps it until the guard ends."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def lock_facts(path: Path) -> dict[str, Any] | None:
    """What the living owner of the lock file `path` remembers, `pid` included; None where nobody holds it."""
    try:
        facts = _facts(path.read_bytes())
    except FileNotFoundError:
        return None
    return facts if _is_alive(facts) else None


def _facts(content: bytes) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(content) if content else {}
    except json.JSONDecodeError:  # its owner is writing it at this moment
        return {}
    return facts


def _is_alive(facts: dict[str, Any]) -> bool:
    """Whether the process that wrote `facts` lives: the same number, and started at the same moment."""
    try:
        return bool(psutil.Process(facts["pid"]).create_time() == facts["started"])
    except (KeyError, psutil.Error):
        return False


def new_private_folder(account: int | None) -> Path:
    """A new folder that only `account` (None: we) may use, short enough for the path of a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="hearken-", dir=_short_parent(account)))
    if account is not None:
        os.chown(folder, account, account)
    return folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A data folder for this block alone, where the servers' user can reach it; gone afterwards."""
    stranger = 65_519 if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="hearken-data-", dir=_short_parent(stranger)))
    if stranger is not None:
        folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_parent(account: int | None) -> Path:
    for candidate in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):
        fits = len(os.fsencode(candidate)) + _LONGEST_SOCKET_NAME <= _SOCKET_PATH_BYTES
        if fits and candidate.is_dir() and (account is None or closed_step(candidate, account) is None):
            return candidate
    raise StartRefused("no temporary folder is short and open enough for sockets; set TMPDIR to one such as /tmp")
