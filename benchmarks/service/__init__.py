"""The service around the engine: what load, one request, a worker's pipeline and a start cost.

Each module is a program that writes one table to `benchmarks/results/`, with the machine it was measured on.
"""
