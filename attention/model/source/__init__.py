"""From an entry of the models file to the files that are meant: a folder, the hub, a package, a GGUF file.

`entries.py` is where to begin; what a checkpoint is stands in `checkpoint.py`.
"""
