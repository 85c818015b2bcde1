"""Run benchmarks, keep what they measured, and bring the tables up to date: make bench, or

    python -m bench                                  # all that a CPU can do
    python -m bench bench/test_peers.py              # a part, with pytest's own words; also -k WORD, -x, -s ...
    python -m bench -m gpu bench/test_kernels.py     # what needs CUDA

Rows go to bench/records/<machine>-<date>.json, where those of an earlier part of the same day stay, and from all
records to the tables of bench/README.md, the plots, and the headlines of the project's README.
"""

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from bench.records import merge
from bench.report import refresh

ROOT = Path(__file__).parents[1]


def main() -> None:
    missing = [module for module in ("pytest", "pytest_benchmark") if find_spec(module) is None]
    if missing:
        raise SystemExit(f"benchmarks need {' and '.join(missing)}: pip install pytest pytest-benchmark")
    arguments = sys.argv[1:]
    chosen = [] if "-m" in arguments else ["-m", "not gpu"]
    folder = [] if any(word.startswith("bench/") for word in arguments) else ["bench"]
    with tempfile.TemporaryDirectory() as temporary:
        measured = Path(temporary) / "measured.json"
        words = [sys.executable, "-m", "pytest", f"--benchmark-json={measured}"]
        status = subprocess.run([*words, *chosen, *folder, *arguments], cwd=ROOT, check=False).returncode
        content = measured.read_text() if measured.exists() else ""
    results = json.loads(content) if content else {"benchmarks": []}
    for path in merge(results):
        print(f"written: {path.relative_to(ROOT)}")
    refresh()
    raise SystemExit(status)


if __name__ == "__main__":
    main()
