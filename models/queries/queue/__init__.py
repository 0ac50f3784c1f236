"""The queue in the database: claims and leases, wake-ups in the outbox, inquiries, job states, workers, the sweeper.

Postgres is the truth; a Celery message says no more than that there is work.
"""
