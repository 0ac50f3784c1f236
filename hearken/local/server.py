"""What the embedded PostgreSQL and Redis have in common: a locked home, a socket folder, a guarded process, a log."""

import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import ClassVar, Self

from hearken.errors import StartRefused
from hearken.local.data_folder import FolderLock, give_folder, make_folder, new_private_folder
from hearken.local.guarded_process import CommandNotStarted, GuardedProcess
from hearken.local.unix_account import account_for


class EmbeddedServer(ABC):
    """One server on `data_dir`, from `start` to `stop`, or as a context manager. `url` says how to reach it.

    Layout of the data folder: ``NAME/`` the server's own, ``NAME.lock``, ``logs/NAME.log`` and, where the installed
    programs cannot be reached by the server's user, ``programs/``.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[Signals]
    grace_seconds: ClassVar[float] = 5.0
    start_seconds: ClassVar[float] = 30.0

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.home = self.data_dir / self.name
        self.log = self.data_dir / "logs" / f"{self.name}.log"
        self.account: int | None = None
        self._sockets: Path | None = None
        self._lock: FolderLock | None = None
        self._process: GuardedProcess | None = None
        self._has_served = False

    @property
    @abstractmethod
    def url(self) -> str:
        """The address to give to clients, once reserved. It stays the same when a dead server is started again."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Make the server's files ready and say how to run it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves; called again and again until it does."""

    def start(self) -> str:
        """Start, or start again after it died, wait until it serves, and return `url`.

        Raises `StartRefused`; nothing is left running then. A server that was up before keeps its folder and address.
        """
        if self._process is not None:
            self._process.stop()
            self._process = None
        self.reserve()
        assert self._lock is not None
        try:
            self._process = GuardedProcess.start(
                self.name,
                self._command(),
                log=self.log,
                stop_signal=self.stop_signal,
                grace_seconds=self.grace_seconds,
                account=self.account,
                environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                cwd=self.home,
                remove=(self.sockets,),
                inherit=(self._lock.descriptor,),
            )
            self._wait_until_it_answers(self._process)
        except BaseException as error:
            if not self._has_served:
                self.stop()
            elif self._process is not None:
                self._process.stop()
                self._process = None
            if isinstance(error, CommandNotStarted):
                raise StartRefused(f"{self.name}: {error}") from None
            raise
        self._has_served = True
        return self.url

    def reserve(self) -> None:
        """Take the folder and an address, so that `url` can be given to clients before the server is started.

        Raises `StartRefused`; nothing is held then.
        """
        if self._lock is None:
            make_folder(self.data_dir)
            make_folder(self.log.parent)
            self.account = account_for(self.home)
            self._lock = FolderLock(self.data_dir / f"{self.name}.lock")
        try:
            give_folder(self.home, self.account)
            self._open_sockets(self._lock)
        except BaseException:
            if not self._has_served:
                self.stop()
            raise

    def stop(self) -> None:
        """End the server and release the folder. Does nothing where it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        if self._sockets is not None:
            if self._sockets.exists():  # a start that ended before there was a guard to remove it
                self._sockets.rmdir()
            self._sockets = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._has_served = False

    def poll(self) -> int | None:
        """The exit status of a server that ended by itself; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """The server's process, None where it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def sockets(self) -> Path:
        """The private folder of its socket, from `reserve` to `stop`."""
        if self._sockets is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._sockets

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _open_sockets(self, lock: FolderLock) -> None:
        if self._sockets is None:
            self._sockets = new_private_folder(self.account)
        elif not self._sockets.exists():
            give_folder(self._sockets, self.account)
        lock.remember(sockets=str(self._sockets))

    def _wait_until_it_answers(self, process: GuardedProcess) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self._answers():
            if process.poll() is not None:
                raise StartRefused(f"{self.name} ended while starting: {self._last_error()}")
            if time.monotonic() > deadline:
                raise StartRefused(f"{self.name} did not serve within {self.start_seconds:.0f} s; see {self.log}")
            time.sleep(0.01)

    def _last_error(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        fatal = [line for line in lines if "FATAL" in line or "ERROR" in line]
        return (fatal or lines or ["it said nothing"])[-1]
