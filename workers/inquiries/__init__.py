"""Short work that somebody waits for and that leaves no analysis: points, details, places on a map, files."""
