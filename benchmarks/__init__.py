"""Side by side with what people use today: paired times, peak memory, documents a second.

`python -m benchmarks` prints one table and writes it, with the machine and the versions, as JSON and Markdown.
"""
