"""A model: opened safely, proven against its own plain attention, and what it can do.

No code that comes with a model is run. Also which models stay in memory, and how large a pass may then be.
"""
