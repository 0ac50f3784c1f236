"""Nearest documents, turns and attention profiles, and the indexes that find them."""
