"""Celery: takes work, runs the science, stores results; comparisons; the sweeper.

A message only wakes a worker; the work itself is claimed from Postgres, which is the truth.
"""
