"""Connections that the server has closed, found without asking it.

A pool's own ping is a round trip before every transaction, which costs a short one more than its work. PostgreSQL says
nothing on an idle connection but that it ends it, and then closes it: whatever can be read there means that it is over.
"""

import select
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError


def discard_closed(engine: Engine) -> None:
    """Have the engine's pool look at each connection before it lends it, and replace one that has ended."""

    @event.listens_for(engine, "checkout")
    def look(_connection: Any, record: Any, _checked_out: Any) -> None:
        driver = record.driver_connection
        if driver.closed:
            raise DisconnectionError
        looking = select.poll()
        looking.register(driver.pgconn.socket, select.POLLIN)
        if looking.poll(0):
            raise DisconnectionError
