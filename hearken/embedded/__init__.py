"""PostgreSQL with pgvector, and Redis, as supervised children of this process, from binaries that pip installed.

Private sockets, no port, no shared memory left behind, nothing that outlives its parent.
"""

from hearken.embedded.folder import StartRefused, temporary_folder
from hearken.embedded.postgres import PostgresServer
from hearken.embedded.redis import RedisServer

__all__ = ["PostgresServer", "RedisServer", "StartRefused", "temporary_folder"]
