"""A command started under a guard: it ends when it is stopped, when this process ends, or when it is killed."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import IO, Any

_GUARD = Path(__file__).with_name("guard_script.py")
_START_SECONDS = 20.0


class CommandNotStarted(Exception):  # noqa: N818 - the name says what happened
    """The command could not be started; the message says why."""


@dataclass(slots=True)
class GuardedProcess:
    """One running command. `pid` is the command's own, not the guard's."""

    name: str
    pid: int
    _guard: "subprocess.Popen[bytes]"
    _guard_input: IO[Any]
    _grace_seconds: float

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        stop_signal: Signals,
        grace_seconds: float,
        account: int | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        remove: Sequence[Path] = (),
        inherit: Sequence[int] = (),
        hand_over: Sequence[int] = (),
    ) -> "GuardedProcess":
        """Start `command`, appending what it says to `log`.

        Parameters
        ----------
        stop_signal, grace_seconds: how it is asked to end, and how long before it is killed.
        account: the numeric user and group it runs as; None for our own.
        remove: folders that go when it ends.
        inherit: file descriptors that stay open until the guard ends (a lock).
        hand_over: file descriptors that the command gets, under the same numbers (a listening socket).

        Raises `CommandNotStarted`.
        """
        try:
            output = log.open("ab")
        except OSError as error:
            raise CommandNotStarted(f"its log {log} cannot be written: {error.strerror}") from None
        reading, reporting = os.pipe()
        request = {
            "command": [str(part) for part in command],
            "stop_signal": int(stop_signal),
            "grace_seconds": grace_seconds,
            "account": account,
            "cwd": None if cwd is None else str(cwd),
            "remove": [str(folder) for folder in remove],
            "report": reporting,
            "hand_over": list(hand_over),
        }
        try:
            with output:
                guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_GUARD), json.dumps(request)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=None if environment is None else dict(environment),
                    pass_fds=(reporting, *inherit, *hand_over),
                    start_new_session=True,  # a terminal's Ctrl-C is ours to pass on, in our order
                )
        finally:
            os.close(reporting)
        assert guard.stdin is not None
        report = _first_line(reading)
        if "pid" not in report:
            guard.stdin.close()
            guard.wait()
            raise CommandNotStarted(report.get("error", f"{name} did not start; see {log}"))
        return cls(name, report["pid"], guard, guard.stdin, grace_seconds)

    def poll(self) -> int | None:
        """The exit status, 128 + n for a signal n, once command and guard have ended; None while they run."""
        return self._guard.poll()

    def ask_to_stop(self) -> None:
        """Close the guard's standard input, on which it ends the command. Returns at once; `stop` waits."""
        if not self._guard_input.closed:
            self._guard_input.close()

    def stop(self) -> int:
        """End the command, by its stop signal first, and return its exit status."""
        self.ask_to_stop()
        try:
            return self._guard.wait(self._grace_seconds + 10)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            return self._guard.wait()


def _first_line(descriptor: int) -> dict[str, Any]:
    """The guard's one report, read from and closing `descriptor`; empty where the guard ended or hung without one."""
    with os.fdopen(descriptor, "rb") as reports:
        ready, _, _ = select.select([reports], [], [], _START_SECONDS)
        line = reports.readline() if ready else b""
    answer: dict[str, Any] = json.loads(line) if line else {}
    return answer
