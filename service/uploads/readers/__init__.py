"""Readers of data sets: each turns one format's bytes, as they arrive, into records and faults (see `reader`).

A reader knows its format and its limits, and nothing of who feeds it. What a document must be is checked by
`service.uploads.upload`.
"""
