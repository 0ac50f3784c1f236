"""What a model has to be before anything is measured with it: of a family that can be, steady, proven, and whole.

Each check refuses by name, and says what would have to be otherwise.
"""
