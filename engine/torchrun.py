"""Whether this process is one of several, which training and inference must decide alike."""

import os


def started_by_launcher() -> bool:
    """Whether torchrun, or engine-train's own launcher, started this process as one of several.

    Both set all of these. One alone is no sign of it: batch systems leave such variables behind.
    """
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
