"""What a person uses from Python and the terminal: the client, the command line, the embedded stack.

Talks to the service over HTTP like any other client; starts Postgres, Redis, API and workers where none run.
"""

from hearken.packages import find_beside

find_beside()
