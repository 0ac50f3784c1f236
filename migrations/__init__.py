"""Alembic: how the database gets from one version to the next.

Each migration can run before and after the code that needs it; `run.upgrade` is what `hearken migrate` calls.
"""
