#!/usr/bin/env bash
# IOPaint 1.6.0: its web client sends two options under misspelt names, and its server leaves them out in silence.
#
# Client and server come in one wheel, and the client's names and values should be those that the server reads. It sends
# hd_strategy_crop_triger_size (640) and hd_trategy_resize_imit (2048); the request's model knows
# hd_strategy_crop_trigger_size and hd_strategy_resize_limit, ignores what it does not know, and takes 800 and 1280.
# A server that speaks this API and refuses unknown fields refuses the real client. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pydantic==2.13.4 loguru==0.7.3
"$folder/venv/bin/pip" install --quiet --no-deps iopaint==1.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import re
from importlib.metadata import version
from pathlib import Path

import iopaint
from iopaint.schema import InpaintRequest

print("iopaint", version("iopaint"), "pydantic", version("pydantic"))
scripts = Path(iopaint.__file__).parent.glob("web_app/assets/*.js")
names = {name for script in scripts for name in re.findall(r"\bhd_\w+", script.read_text())}
known = {name for name in InpaintRequest.model_fields if name.startswith("hd_")}
print("the client's:", *sorted(names))
print("the server's:", *sorted(known))
sent = {"hd_strategy_crop_triger_size": 640, "hd_trategy_resize_imit": 2048}
read = InpaintRequest(image="", mask="", **sent)
print("sent:", sent)
print("read:", read.hd_strategy_crop_trigger_size, read.hd_strategy_resize_limit)
misspelt = names - known == sent.keys()
defaults = (read.hd_strategy_crop_trigger_size, read.hd_strategy_resize_limit) == (800, 1280)
raise SystemExit(0 if misspelt and defaults else "the behaviour has changed")
PYTHON
