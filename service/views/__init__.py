"""Rows of the database as the resources, streams and files that a client is given."""
