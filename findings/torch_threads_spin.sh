#!/usr/bin/env bash
# torch 2.13.0, CPU build: two threads on one core take 20 to 300 times the CPU time of small operations, waiting.
#
# The wheel's own libgomp lets threads spin for milliseconds at each end of an operation, unless there were more threads
# than cores when it was loaded. Cores that are taken away later (another program's load, a container's quota, or as
# here the process's affinity) are not noticed: both threads use up whole time slices to wait for each other.
# GOMP_SPINCOUNT=10000, or OMP_WAIT_POLICY=passive, set before torch is imported, ends that; torch.set_num_threads(2)
# and OMP_NUM_THREADS=2 do not. Exit status 1 if that changes. Needs two cores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cat >"$folder/small.py" <<'PYTHON'
import os
import time

import torch

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
torch.set_num_threads(2)
numbers = torch.ones(200_000)
numbers.add_(1)
began = time.process_time()
for _ in range(100):
    numbers.mul_(1.0)
print(time.process_time() - began)
PYTHON
unset OMP_NUM_THREADS OMP_WAIT_POLICY GOMP_SPINCOUNT
default=$("$folder/venv/bin/python" "$folder/small.py")
counted=$(GOMP_SPINCOUNT=10000 "$folder/venv/bin/python" "$folder/small.py")
passive=$(OMP_WAIT_POLICY=passive "$folder/venv/bin/python" "$folder/small.py")
echo "CPU seconds of 100 operations on 200,000 numbers: $default by default, $counted with GOMP_SPINCOUNT=10000," \
  "$passive with OMP_WAIT_POLICY=passive"
"$folder/venv/bin/python" -c "raise SystemExit(0 if $default > 5 * max($counted, $passive) else 'the behaviour has changed')"
