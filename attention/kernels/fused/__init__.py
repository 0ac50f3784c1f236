"""Attention with row statistics on CUDA, in Triton: the output first, then every statistic from weights made once more.

`attend.py` puts the passes together; tables are made once a layout, and `launch.py` is where every kernel starts.
"""
