"""Readers of data sets: each turns one format's bytes, as they arrive, into lines or rows for an upload.

Readers know their format and nothing of the database; what a document must be is checked by `service.uploads.upload`.
"""
