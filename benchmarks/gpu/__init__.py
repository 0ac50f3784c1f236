"""What measuring costs on a GPU, and whether it is exact: one table, in under four minutes.

Runs on a bare machine with torch, triton and transformers: of the project it imports `attention` alone.
"""
