"""Layouts: what the fields of records mean, and which records make one document."""
