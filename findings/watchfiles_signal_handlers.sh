#!/usr/bin/env bash
# watchfiles 1.3.0: what a signal's handler raises while watch() waits is lost, and comes out as KeyboardInterrupt.
#
# A handler of SIGTERM that raises SystemExit(143), the usual way to end tidily, is run; but watch() asks its Rust part
# only if there was a signal and raises KeyboardInterrupt whatever it was, with no trace of the SystemExit, so that a
# service that was told to stop ends as if by Ctrl-C, with another status. The same handler in time.sleep() keeps its
# exception. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet watchfiles==1.3.0
mkdir "$folder/watched"
cat >"$folder/wait.py" <<'PYTHON'
import os
import signal
import sys
import threading
import time

import watchfiles


def end(number, frame):
    print("the handler ran", end=", ")
    raise SystemExit(128 + number)


signal.signal(signal.SIGTERM, end)
threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    if sys.argv[1] == "sleep":
        time.sleep(20)
    else:
        next(watchfiles.watch(sys.argv[2]))
except BaseException as error:
    print(f"and {sys.argv[1]} raised {error!r}, context {error.__context__!r}")
PYTHON
slept=$("$folder/venv/bin/python" "$folder/wait.py" sleep)
watched=$("$folder/venv/bin/python" "$folder/wait.py" watch "$folder/watched")
printf '%s\n' "$slept" "$watched"
test "$slept" = "the handler ran, and sleep raised SystemExit(143), context None"
test "$watched" = "the handler ran, and watch raised KeyboardInterrupt(), context None"
