"""The Celery application: how a wake-up is sent and which queue it goes to. Imports no torch.

A message carries only the name of a queue that has work. What the work is, who may do it and whether it was done
already is decided in Postgres, so a message may be lost, doubled or late without harm.
"""

import logging
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from models.queries.queue.outbox import SUMMARIES
from models.settings import settings

ANSWER = "workers.tasks.answer"
SWEEP = "workers.tasks.sweep"

log = logging.getLogger(__name__)


def _configured() -> Celery:
    application = Celery("hearken", broker=settings().broker_url, include=["workers.tasks"])
    application.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_create_missing_queues=True,
        task_default_queue=SUMMARIES,
        worker_consumer="workers.celery.consumer:ReconnectingConsumer",
        worker_prefetch_multiplier=1,
        worker_pool="prefork",
        worker_concurrency=1,
        worker_pool_start_method="spawn",
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_proc_alive_timeout=60.0,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": 2.0,
            "socket_timeout": 5.0,
            "max_retries": 1,
            "interval_start": 0.0,
            "interval_step": 0.1,
        },
        beat_scheduler="workers.celery.beat:InProcessScheduler",
        beat_max_loop_interval=settings().sweep_seconds,
        beat_schedule={"sweep": {"task": SWEEP, "schedule": settings().sweep_seconds}},
    )
    return application


app = _configured()


def send_wakeup(queue: str) -> bool:
    """Tell the workers of `queue` that there is work. False (and a warning) when the broker cannot be reached.

    Where a wake-up waits there already, it says so too: whoever takes it looks for work only then. One that could not
    be sent is no loss: the sweeper sends another.
    """
    options: dict[str, Any] = {"queue": queue, "ignore_result": True, "retry": False}
    try:
        with app.producer_or_acquire() as producer:
            if not messages_wait(producer.channel, queue):
                app.send_task(ANSWER, args=[queue], producer=producer, **options)
    except (OperationalError, RedisError) as error:
        log.warning("the broker cannot be reached, a wake-up for %s waits for the sweeper: %s", queue, error)
        return False
    return True


def messages_wait(channel: Any, queue: str) -> bool:
    """Whether a queue holds a message that no worker has taken yet."""
    return bool(channel._size(queue))  # of kombu's interface, `queue_declare` asks the broker twice for it
