"""Reading what somebody holds, on this machine: `hearken.read`."""

from formats.read import read

__all__ = ["read"]
