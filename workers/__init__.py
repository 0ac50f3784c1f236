"""Celery: takes work, runs the science, stores results; comparisons; the sweeper.

A message only knocks; what there is to do is claimed from Postgres, which is the truth.
"""
