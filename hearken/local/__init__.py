"""The whole service on one machine: its own PostgreSQL with pgvector and Redis, and its parts as supervised children.

Binaries come from pip packages. Private sockets, no shared memory left behind, nothing that outlives its parent.
"""

from hearken.errors import StartRefused
from hearken.local.data_folder import temporary_folder
from hearken.local.postgres import PostgresServer
from hearken.local.redis import RedisServer

__all__ = ["PostgresServer", "RedisServer", "StartRefused", "temporary_folder"]
