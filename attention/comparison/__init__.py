"""Groups of measured documents against each other: statistics, separability, maps, and what stands beside them.

`conduct.conduct_study` gives all of it as a `study.Study`, `compare.compare` the statistics alone. What counts as a
difference is decided here. Nothing is imported here: the service and the client need the types, which load fast.
"""
