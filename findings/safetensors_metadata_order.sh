#!/usr/bin/env bash
# safetensors 0.8.0: the same tensors and metadata give files of different bytes if the metadata have two entries or more.
#
# The metadata's entries are written in an order that changes from call to call, within one process too; with one entry,
# and by the tensors' names, files are the same. Whoever compares weights by a hash of the file, or keeps them in storage
# by content, sees a change where there is none. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import safetensors
from safetensors.numpy import save
import numpy as np

print("safetensors", safetensors.__version__)
tensors = {name: np.zeros(3, np.float32) for name in ("weight", "bias")}
seen = {}
for entries in (1, 2, 3):
    metadata = {f"key{number}": "value" for number in range(entries)}
    seen[entries] = len({save(tensors, metadata=metadata) for _ in range(100)})
    print(f"{entries} entries in the metadata: {seen[entries]} different files in 100 saves")
as_expected = seen[1] == 1 and seen[2] == 2 and seen[3] > 1
raise SystemExit(0 if as_expected else f"the behaviour has changed: {seen}")
PYTHON
