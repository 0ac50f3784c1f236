"""Requests and answers of the HTTP API as Pydantic models, one file a subject.

Their fields are the contract.
"""
