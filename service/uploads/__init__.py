"""Uploads of data sets: received, read and checked, and stored only once every document proved good."""
