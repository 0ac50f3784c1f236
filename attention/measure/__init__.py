"""From documents to measurements: one forward pass with row statistics, then rows to heads, layers and documents.

Which windows share a pass is decided here, and what is derived from a measurement: flow, trajectories, profiles.
"""
