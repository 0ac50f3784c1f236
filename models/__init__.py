"""Records and messages: SQLAlchemy tables, Pydantic schemas, settings, and the named queries between them.

What is stored and what is said over the wire is decided here, once, for the service and the workers alike.
Knows no HTTP framework, no queue and no torch.
"""
