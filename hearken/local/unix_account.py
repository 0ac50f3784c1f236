"""Which user the servers run as. PostgreSQL refuses to run as root; then they take an account of their own.

That account is a number without an entry in the password file, so nothing else runs under it and nothing but the data
folder belongs to it. The range is the one that systemd reserves for dynamic users.
"""

import grp
import os
import pwd
import stat
import zlib
from pathlib import Path

_DYNAMIC_ACCOUNTS = range(61_184, 65_520)


def account_for(folder: Path) -> int | None:
    """The numeric user and group for servers that keep their data in `folder`; None where our own will do.

    A folder that already has an owner other than root keeps it. A new one gets a free number drawn from its path.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return folder.stat().st_uid
    start = zlib.crc32(str(folder.resolve()).encode())
    for step in range(len(_DYNAMIC_ACCOUNTS)):
        number = _DYNAMIC_ACCOUNTS[(start + step) % len(_DYNAMIC_ACCOUNTS)]
        if _is_free(number):
            return number
    raise RuntimeError("every account number from 61184 to 65519 is taken")


def named_account() -> int:
    """An unprivileged account that has a name, for the one program (initdb) that insists on it."""
    return pwd.getpwnam("nobody").pw_uid


def closed_step(path: Path, account: int) -> Path | None:
    """The first folder on the way to `path`, itself included, that `account` cannot pass; None if it can pass all."""
    resolved = path.resolve()
    for step in (*reversed(resolved.parents), resolved):
        facts = step.stat()
        if facts.st_uid == account:
            passes = facts.st_mode & stat.S_IXUSR
        elif facts.st_gid == account:
            passes = facts.st_mode & stat.S_IXGRP
        else:
            passes = facts.st_mode & stat.S_IXOTH
        if not passes:
            return step
    return None


def _is_free(number: int) -> bool:
    try:
        pwd.getpwuid(number)
    except KeyError:
        pass
    else:
        return False
    try:
        grp.getgrgid(number)
    except KeyError:
        return True
    return False
