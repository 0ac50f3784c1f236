"""Data sets to documents: containers give records as their bytes arrive, layouts make documents of records."""
