"""The jobs of photos that are put into folders while the command runs (--watch)."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.inference.folders.jobs import Job, NoPhotos
from engine.inference.folders.mask_sources import files_for
from engine.packages import import_optional

log = logging.getLogger(__name__)

SETTLED = 1.0
"""Seconds since a photo and its masks were last written: what is being copied is not read yet."""

LOOK_AGAIN = 30.0
"""Seconds after which folders are looked through unasked: disks in a network tell of no change made elsewhere."""

Written = tuple[tuple[int, int], ...]
"""When each of a job's files was last written, in nanoseconds, and its bytes."""


def arriving(find: Callable[[], list[Job]], folders: list[Path], masks: Path | None) -> Iterator[list[Job]]:
    """The jobs whose results are not there, and then, without end, those of photos that arrive in the folders.

    `find` gives the jobs of all photos that are there. A job comes again if it has left no result and its photo or one
    of its masks has been written since. ValueError if watchfiles is missing.
    """
    watch = import_optional("watchfiles").watch
    watched = [*folders, *([masks] if masks else [])]
    tried: dict[Path, Written] = {}
    said, unsettled, looked = "", True, 0.0
    for changes in watch(*watched, rust_timeout=round(1000 * SETTLED), yield_on_timeout=True):
        if not (changes or unsettled or time.monotonic() - looked > LOOK_AGAIN):
            continue
        looked = time.monotonic()
        try:
            waiting = {job: written(job, masks) for job in find() if not job.out.exists()}
        except NoPhotos:
            waiting = {}
        except (ValueError, OSError) as error:  # two photos of one name, say: the next change may mend it
            if str(error) != said:
                log.error("%s", error)
            said, unsettled = str(error), False
            continue
        untried = {job: files for job, files in waiting.items() if tried.get(job.out) != files}
        ready = [job for job, files in untried.items() if is_settled(files)]
        said, unsettled = "", len(ready) < len(untried)
        if ready:
            tried |= {job.out: untried[job] for job in ready}
            yield ready


def written(job: Job, masks: Path | None) -> Written:
    """When the files of a job were last written."""
    found = []
    for file in (job.photo, *files_for(masks, job)):
        try:
            status = file.stat()
        except FileNotFoundError:  # it has just gone
            continue
        found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)


def is_settled(files: Written) -> bool:
    """True if none of the files was written within the last second; a time to come says nothing."""
    now = time.time()
    return all(not now - SETTLED < modified / 1e9 <= now for modified, _ in files)
