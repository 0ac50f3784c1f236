"""Keeps one command running no longer than the process that asked for it. Run as a script, standard library only.

``python -I -S guard_script.py '{"command": [...], "stop_signal": 2, ...}'`` starts the command and ends it
when its own standard input closes: by its parent, or by the kernel when the parent was killed. Should the guard
itself be killed, the kernel sends the command its stop signal. Whatever the command leaves behind (orphaned children,
folders named in ``remove``) is removed with it.

The guard writes one JSON line to file descriptor ``report``: ``{"pid": n}``, or ``{"error": "..."}``. Its exit status
is the command's, or 128 + the number of the signal that ended it.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"
_POLL_SECONDS = 1.0


def main(request: dict[str, Any]) -> int:
    """Run the request's command to its end, or to our parent's, and return the exit status to report."""
    parent = os.getppid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl if _LINUX else None
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked_to_stop.append(received))
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    try:
        child = _start(request, prctl)
    except (OSError, subprocess.SubprocessError) as error:
        _report(request["report"], {"error": f"cannot start {request['command'][0]}: {error}"})
        _remove(request["remove"])
        return 127
    _report(request["report"], {"pid": child.pid})
    while child.poll() is None and not asked_to_stop and os.getppid() == parent:
        readable, _, _ = select.select([0, woken], [], [], _POLL_SECONDS)
        if woken in readable:
            os.read(woken, 4096)
        if 0 in readable and not os.read(0, 4096):
            break
    _stop(child, request["stop_signal"], request["grace_seconds"])
    _end_orphans()
    _remove(request["remove"])
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _start(request: dict[str, Any], prctl: Callable[..., int] | None) -> "subprocess.Popen[bytes]":
    stop_signal, guard = request["stop_signal"], os.getpid()

    def die_with_the_guard() -> None:  # runs in the child, after it took its user, just before the command
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
        if os.getppid() != guard:
            os._exit(127)

    account = request["account"]
    taken = {} if account is None else {"user": account, "group": account, "extra_groups": []}
    return subprocess.Popen(
        request["command"],
        stdin=subprocess.DEVNULL,
        cwd=request["cwd"],
        start_new_session=True,
        pass_fds=request["hand_over"],
        preexec_fn=die_with_the_guard,
        **taken,
    )


def _report(descriptor: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    os.close(descriptor)


def _stop(child: "subprocess.Popen[bytes]", stop_signal: int, grace_seconds: float) -> None:
    if child.poll() is not None:
        return
    child.send_signal(stop_signal)
    try:
        child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _remove(folders: list[str]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _end_orphans() -> None:
    """Kill and reap what the command left: as subreaper, the guard is now the parent of all of it."""
    deadline = time.monotonic() + 5
    while _LINUX and time.monotonic() < deadline:
        orphans = _children()
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        for orphan in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # After the name, in brackets and possibly with spaces: state, then the parent's id.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
