"""The input of a search (a text, a conversation, an analysis, a vector) as a point of the space that is searched."""
