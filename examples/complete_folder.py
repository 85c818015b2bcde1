"""Complete a folder of photos with a folder of masks: python examples/complete_folder.py photos/ masks/ done/

Reading, completing and writing overlap; an error stays with the photo that has it.
"""

import sys
from collections import Counter
from pathlib import Path

from engine import Completer
from engine.inference.completer import CompletionOptions
from engine.inference.folders.complete import Options, complete_files
from engine.inference.folders.jobs import find_jobs
from engine.inference.folders.mask_sources import MaskSource


def main(photos: Path, masks: Path, out: Path) -> None:
    jobs, _ = find_jobs((photos,), out, masks=(masks,))
    options = Options(masks=MaskSource(path=masks), completion=CompletionOptions(dilate=None), copy_empty=True)
    counts: Counter[str] = Counter()
    for outcome in complete_files(Completer.load(), jobs, options):
        counts[outcome.status] += 1
        print(outcome.job.photo, outcome.status, outcome.error or "")
    print(dict(counts))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
