"""From row statistics to sums: by head, by turn, by token, and of hidden states.

All layers at once and in a number of steps that does not grow: in C on a CPU, in Triton on CUDA, else in PyTorch.
"""
