"""Whether the broker answers."""

from redis import Redis
from redis.exceptions import RedisError

TIMEOUT_SECONDS = 2.0
KOMBU_SOCKET, REDIS_SOCKET = "redis+socket://", "unix://"  # the same address in two spellings


def broker_answers(url: str) -> bool:
    """Whether Redis answers a ping within two seconds."""
    if url.startswith(KOMBU_SOCKET):
        url = REDIS_SOCKET + url.removeprefix(KOMBU_SOCKET)
    try:
        with Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS) as client:
            return bool(client.ping())
    except RedisError:
        return False
