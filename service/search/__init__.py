"""The point from which a search looks for its nearest: of a text, a stored analysis, a vector or a profile."""
