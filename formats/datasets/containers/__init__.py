"""Containers: each turns one format's bytes, as they arrive, into records (lines, rows, items) and faults."""
