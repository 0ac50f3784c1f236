"""PostgreSQL notifications: how whoever waits for a job or an inquiry learns that it has changed."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, Connection, Text, bindparam, func, select

CHANNEL = "hearken_job"
"""The channel to listen on; a notification's payload is the id of the job or the inquiry."""


def notify(connection: Connection, changed_ids: Sequence[str]) -> None:
    """Send one for each when this transaction commits."""
    if changed_ids:
        changed = func.unnest(bindparam("changed", [*changed_ids], type_=ARRAY(Text)))
        connection.execute(select(func.pg_notify(CHANNEL, changed)))
