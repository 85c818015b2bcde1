"""The folder of what can be made again: exports, engines, and indexes of folders that are to stay as they are."""

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """`$ENGINE_CACHE`, else glcic-engine in the user's folder of caches."""
    if chosen := os.environ.get("ENGINE_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glcic-engine"
    except RuntimeError as error:
        raise OSError("there is no home folder for the cache: set ENGINE_CACHE to a folder") from error


def cached_index(folder: Path) -> Path:
    """Where the index of `folder` is in the cache, if there is one; another folder in its place has another."""
    place = f"{folder.resolve()}\n{folder.stat().st_ino}"
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:20]
    return cache_folder() / "indexes" / f"{name}.index"
