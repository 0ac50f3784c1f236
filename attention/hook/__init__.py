"""Transformers' own attention hook: one forward pass whose attention runs through our kernels.

What a network's masks say, the function it calls in the place of its own attention, and the collector that the calls of
one pass report to. What becomes of the rows is decided above: `model/proof.py` compares them, `measure/` sums them.
"""
