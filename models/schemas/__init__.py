"""What is said over HTTP: requests and answers as Pydantic models, one file a subject.

Their fields are the contract.
"""
