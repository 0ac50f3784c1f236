"""Routes of comparisons: making and listing them, their parts, their files, a new document on their map."""
