"""The parts of a study as types: plain numbers and names, None where a number is undefined.

They load nothing: the service answers with them, the client reads them, and both start without numpy.
"""
