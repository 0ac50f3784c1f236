"""Archives: what the files of a zip or a folder are, and the documents in them."""
