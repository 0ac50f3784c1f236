"""The spaces in which documents are points, their embeddings and their attention profiles, and what is made of them.

How well groups separate, maps of them, and the place of a new document on a map.
"""
