"""The JSON of speech recognizers: segments or words, with speakers where they were told apart."""
