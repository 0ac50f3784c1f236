"""The science: text in, numbers out.

Opens a model, renders conversations, runs the forward pass with row statistics collected, and turns them into metrics
and comparisons. Knows no database, no HTTP and no queue; works in a notebook as it is.
"""
