"""Celery's consumer, made to notice that the broker was away when a task ended.

Celery logs an acknowledgement that could not be sent and goes on. Over Redis the message then counts as unacknowledged
for ever; with one message at a time that fills the whole allowance, and the worker never asks for another. Here the
error reaches the consumer's loop, which connects anew: the message comes back, and its claim makes that harmless.
"""

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer


class ReconnectingConsumer(Consumer):  # type: ignore[misc]
    """A consumer that starts its connection again when it could not acknowledge."""

    def call_soon_ack(self, p: Callable[..., None], *args: Any, **kwargs: Any) -> Any:
        """Schedule an acknowledgement or a rejection; `p` is the message's method that would only log a failure."""
        message = p.__self__  # type: ignore[attr-defined]
        raising = {"ack_log_error": message.ack, "reject_log_error": message.reject}[p.__name__]

        def settle(_logger: object, _errors: object, *rest: Any, **how: Any) -> None:
            raising(*rest, **how)

        return super().call_soon_ack(settle, *args, **kwargs)
