"""What Celery needs of us: the sweeper's clock, the consumer, how a worker's processes begin and end."""
