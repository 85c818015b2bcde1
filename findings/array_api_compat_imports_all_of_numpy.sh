#!/usr/bin/env bash
# array-api-compat 1.16.0: the first array_namespace(numpy array) imports all of NumPy, f2py, its tests' helpers included.
#
# A thin layer over NumPy is expected to cost nothing at start-up. Its module takes over every name of NumPy's, which are
# loaded when they are asked for, and so asks for all: 60 more of NumPy's modules are in memory afterwards. From NumPy 2.1
# on, numpy itself has the array API and serves its own arrays without. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet array-api-compat==1.16.0 numpy==2.4.6
cat >"$folder/imports.py" <<'PYTHON'
import sys

import numpy as np

import array_api_compat


def loaded():
    return {name for name in sys.modules if name.startswith("numpy.")}


print("array-api-compat", array_api_compat.__version__)
before = loaded()
array_api_compat.array_namespace(np.zeros(3))
after = loaded() - before
print("more than 50 modules of NumPy's:", len(after) > 50)
for name in ("numpy.f2py", "numpy.testing", "numpy.polynomial"):
    print(f"{name}: {name in before}, {name in after}")
PYTHON
"$folder/venv/bin/python" "$folder/imports.py" | tee "$folder/found"
diff "$folder/found" - <<'EXPECTED'
array-api-compat 1.16.0
more than 50 modules of NumPy's: True
numpy.f2py: False, True
numpy.testing: False, True
numpy.polynomial: False, True
EXPECTED
