"""Groups of measured documents against each other: statistics, separability, maps.

Takes numbers that `attention.measure` made, and gives numbers; the report draws them. What counts as a difference,
and what is only said to be one with a warning, is decided here and nowhere else. `conduct.conduct_study` gives the
whole of it as a `study.Study`, `compare.compare` the statistics alone. Nothing is imported here: the types load in an
instant, and the service and the client need nothing else.
"""
