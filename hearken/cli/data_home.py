"""Where the embedded stack keeps its data unless told."""

import os
from pathlib import Path


def default_data_folder() -> Path:
    """One place a user, or one for root that the servers' own user can reach."""
    if os.geteuid() == 0:
        return Path("/var/lib/hearken")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "hearken"
