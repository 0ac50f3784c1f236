"""Short work that somebody waits for and that is not stored as an analysis: points, details, places on a map, files."""
