"""The named queries between records and their users: all SQL of the service and the workers stands here.

Each module has one subject. Functions take an open connection and never commit. A folder imports only from itself and
from those before it: access, queue, reading, search, writing.
"""
