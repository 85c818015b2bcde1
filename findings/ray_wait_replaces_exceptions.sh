#!/usr/bin/env bash
# ray 2.60.0: what a signal's handler raises while ray.wait() waits comes out as SystemExit(1).
#
# A driver that handles SIGTERM by SystemExit(143), so that its with-blocks are left and its shell learns the status, gets
# SystemExit(1) from ray.wait(), whatever the handler has raised. The same handler in time.sleep() keeps its exception.
# (ray.init() also sets a handler of its own for SIGTERM, which has to be replaced after it.) Exit status 1 if that
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ray==2.60.0
cat >"$folder/wait.py" <<'PYTHON'
import os
import signal
import sys
import threading
import time

import ray


def end(number, frame):
    raise SystemExit(128 + number)


def wait(how):
    threading.Timer(2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        how()
    except BaseException as error:
        return repr(error)


@ray.remote
def long():
    time.sleep(60)


ray.init(address="local", include_dashboard=False, logging_level="error", object_store_memory=100 << 20)
print("ray.init() set a handler:", signal.getsignal(signal.SIGTERM) != signal.SIG_DFL)
signal.signal(signal.SIGTERM, end)
print("time.sleep raised", wait(lambda: time.sleep(20)))
task = long.remote()
print("ray.wait raised", wait(lambda: ray.wait([task], timeout=20)))
sys.stdout.flush()
PYTHON
export RAY_USAGE_STATS_ENABLED=0
"$folder/venv/bin/python" "$folder/wait.py" 2>/dev/null | tee "$folder/found"
diff "$folder/found" - <<'EXPECTED'
ray.init() set a handler: True
time.sleep raised SystemExit(143)
ray.wait raised SystemExit(1)
EXPECTED
