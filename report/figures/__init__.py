"""The figures of a comparison: interactive ones for the page, printed ones for a paper, and the marks they share."""
