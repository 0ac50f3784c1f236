"""What is said over HTTP: FastAPI routes, problem pages, health and metrics endpoints.

Writes jobs and reads results; all model work happens in the workers. Never imports torch, so it starts at once.
"""
