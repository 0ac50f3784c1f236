"""Data sets on their way in: received, read, checked, and kept aside until the last document proved good."""
