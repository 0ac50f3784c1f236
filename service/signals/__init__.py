"""Signals between this process and others: changed jobs, wake-ups of workers, the broker's health, shutdown."""
