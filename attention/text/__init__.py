"""What a model is given to read: documents, transcripts, turns and speakers, and the tokens they become.

Every token of a window is the content of exactly one turn, or scaffold. Knows tokenizers, no network.
"""
