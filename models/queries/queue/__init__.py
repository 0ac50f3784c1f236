"""The queue in the database: claims and leases, wake-ups in the outbox, the state of jobs, workers, the sweeper's work.

Postgres is the truth; a Celery message says no more than that there is work.
"""
