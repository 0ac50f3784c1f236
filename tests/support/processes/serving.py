"""Running `hearken serve` as a person does, and looking at what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MINILM_ALONE = Path(__file__).parents[1] / "minilm.toml"
HEARKEN = [sys.executable, "-P", "-m", "hearken"]


def refused(*arguments: str | Path, **settings: str) -> tuple[int, str]:
    """Exit status and stderr of a `hearken` command that should end by itself."""
    done = subprocess.run(
        [*HEARKEN, *map(str, arguments)],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


class Serving:
    """One `hearken serve` on a folder. `url` once it said so; `family` is every process of it."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.folder = folder
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*HEARKEN, "serve", "--data-dir", str(folder), "--port", "0", *arguments],
            env=environment(**temporary_place(folder.parent), **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self.url = self._wait_for_the_url()
        self.seconds_to_ready = time.monotonic() - began

    def family(self) -> list[psutil.Process]:
        """The supervisor and everything under it."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def member(self, is_it: Callable[[psutil.Process], bool]) -> psutil.Process:
        """The first member of the family that is it."""
        for member in self.family():
            with suppress(psutil.NoSuchProcess):  # a server that was killed takes children along while we look
                if is_it(member):
                    return member
        raise LookupError("no such process in the family")

    def worker_processes(self) -> list[psutil.Process]:
        """The Celery worker and its pool, without their guard."""
        found = [
            member
            for member in self.family()
            if "worker" in member.cmdline() and "guard_script.py" not in str(member.cmdline())
        ]
        return found + [child for member in found for child in member.children(recursive=True) if child not in found]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal and wait for the end; how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.said += self.process.communicate(timeout=30)[0]
        return time.monotonic() - began

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def _wait_for_the_url(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            found = re.search(r"Serving at (http://\S+)", line)
            if found:
                return found[1]
        raise AssertionError(f"hearken serve ended with {self.process.wait()}:\n{self.said}")


def living(family: list[psutil.Process]) -> list[str]:
    """Those of the family that still run."""
    alive = []
    for member in family:
        try:
            if member.is_running() and member.status() != psutil.STATUS_ZOMBIE:
                alive.append(" ".join(member.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return alive


def temporary_place(folder: Path) -> dict[str, str]:
    """A setting that puts the sockets of what is started into ``sockets`` of `folder`, where `sockets` finds them."""
    place = folder / "sockets"
    place.mkdir(exist_ok=True)
    place.chmod(0o711)
    return {"TMPDIR": str(place)}


def sockets(folder: Path) -> list[str]:
    """The private socket folders that exist now."""
    return [path.name for path in (folder / "sockets").iterdir()]


def shared_memory(account: int) -> set[str]:
    """Shared memory of a user: POSIX files and System V segments."""
    files = {str(path) for path in Path("/dev/shm").iterdir() if path.stat().st_uid == account}
    segments = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return files | {line.split()[1] for line in segments if int(line.split()[7]) == account}


def environment(**settings: str) -> dict[str, str]:
    """Ours without any HEARKEN_ setting but these, with leases short enough for a test to wait for, and MiniLM alone.

    `HEARKEN_MODELS=""` leaves the packaged models as they are without a models file.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEARKEN_")}
    settings = {"HEARKEN_MODELS": str(MINILM_ALONE)} | settings
    if not settings["HEARKEN_MODELS"]:
        del settings["HEARKEN_MODELS"]
    quick = {"HEARKEN_LEASE_SECONDS": "6", "HEARKEN_HEARTBEAT_SECONDS": "1", "HEARKEN_SWEEP_SECONDS": "1"}
    return plain | quick | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"} | settings
