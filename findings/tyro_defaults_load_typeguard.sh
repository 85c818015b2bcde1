#!/usr/bin/env bash
# tyro 1.0.17 with typeguard 4.6.0: a default of `tuple[str, ...]` or `Path | None` loads unittest, asyncio and ssl.
#
# tyro compares each default with its annotation: plain types and Literal by itself, others by typeguard, which it imports
# then, which imports unittest.mock, which imports asyncio: over 100 modules, more than tyro takes itself. Before Python
# 3.14 `Path | None` is compared so and `Optional[Path]`, the same type, is not. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tyro==1.0.17 typeguard==4.6.0
cat > "$folder/one.py" <<'PYTHON'
import sys
from dataclasses import make_dataclass
from pathlib import Path
from typing import Optional

import tyro

ANNOTATIONS = {"int": (int, 3), "Optional": (Optional[Path], None), "union": (Path | None, None), "tuple": (tuple[str, ...], ())}
annotation, default = ANNOTATIONS[sys.argv[1]]
before = set(sys.modules)
tyro.cli(make_dataclass("Options", [("value", annotation, default)]), args=[])
loaded = {"typeguard", "unittest.mock", "asyncio"} & (set(sys.modules) - before)
print(sys.argv[1], "all of them" if len(loaded) == 3 else sorted(loaded), len(set(sys.modules) - before) > 100)
PYTHON
"$folder/venv/bin/python" --version
for annotation in int Optional union tuple; do
  "$folder/venv/bin/python" "$folder/one.py" "$annotation"
done | tee "$folder/seen"
if "$folder/venv/bin/python" -c 'import sys; sys.exit(sys.version_info >= (3, 14))'; then union="union all of them True"; else union="union [] False"; fi
printf '%s\n' 'int [] False' 'Optional [] False' "$union" 'tuple all of them True' | diff - "$folder/seen"
