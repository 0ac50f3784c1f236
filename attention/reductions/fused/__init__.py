"""The reductions on CUDA, in Triton: a fixed number of launches for all layers of a pass, and nothing waits for them.

Every sum has one program that adds it up in chunks from its own first row: neighbours and padding change no byte.
"""

from attention.reductions.fused.row_sums import sum_rows
from attention.reductions.fused.segments import sum_segments

__all__ = ["sum_rows", "sum_segments"]
