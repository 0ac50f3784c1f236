"""Quantized weights as they are published, brought back to plain numbers by the formulas of their formats.

Each format unpacks the tensors of one module into its weight, when that is asked for, so that no more than one lies in
memory twice. Nothing of the packages that made them is needed, and none of their kernels is fetched.
"""
