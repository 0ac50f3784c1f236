"""The pages for people, and the contract to read and try."""
