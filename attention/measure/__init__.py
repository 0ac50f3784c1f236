"""From documents to measurements: one forward pass with row statistics, then rows to heads, layers and documents.

Also which windows share a pass, and what is derived from a measurement: flow, trajectories, profiles.
"""
