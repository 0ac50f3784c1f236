"""PostgreSQL notifications: how whoever waits for a job or an inquiry learns that it has changed."""

from sqlalchemy import Connection, func, select

CHANNEL = "hearken_job"
"""The channel to listen on; a notification's payload is the id of the job or the inquiry."""


def notify(connection: Connection, changed_id: str) -> None:
    """Send one when this transaction commits."""
    connection.execute(select(func.pg_notify(CHANNEL, changed_id)))
