"""What is stored, read for an answer or for a summary: analyses, jobs, data sets, comparisons, models."""
