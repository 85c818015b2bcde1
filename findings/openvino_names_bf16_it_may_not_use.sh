#!/usr/bin/env bash
# openvino 2026.4.1: where oneDNN is limited to AVX2, the CPU's capabilities name BF16 all the same, and asking for it fails.
#
# ONEDNN_MAX_CPU_ISA=AVX2 is how programs are tried as on an older CPU, and OpenVINO computes with oneDNN. One expects of
# OPTIMIZATION_CAPABILITIES what can be asked for there: bf16 is not, and compiling a convolution with that hint ends in
# "object is not initialized", which names neither. Limited to AVX512_CORE, without bf16 either, it compiles. On a CPU with
# bf16 (avx512_bf16 or amx_bf16) alone; exit status 2 on others, 1 if that changes.
set -euo pipefail
grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo || { echo "This CPU has no bf16."; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1
cat >"$folder/convolve.py" <<'PYTHON'
import os

import numpy as np
import openvino
from openvino import opset13

core = openvino.Core()
image = opset13.parameter([1, 4, 64, 64], np.float32)
weights = opset13.constant(np.ones((16, 4, 3, 3), np.float32))
pairs = [1, 1]
model = openvino.Model([opset13.convolution(image, weights, pairs, pairs, pairs, pairs)], [image])
print(os.environ.get("ONEDNN_MAX_CPU_ISA", "no limit"), end=": ")
print("BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), end=", ")
try:
    core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    print("compiles")
except RuntimeError as error:
    print("RuntimeError,", "object is not initialized" in str(error))
PYTHON
{
  env -u ONEDNN_MAX_CPU_ISA "$folder/venv/bin/python" "$folder/convolve.py"
  ONEDNN_MAX_CPU_ISA=AVX512_CORE "$folder/venv/bin/python" "$folder/convolve.py"
  ONEDNN_MAX_CPU_ISA=AVX2 "$folder/venv/bin/python" "$folder/convolve.py"
} | tee "$folder/found"
diff "$folder/found" - <<'EXPECTED'
no limit: True, compiles
AVX512_CORE: True, compiles
AVX2: True, RuntimeError, True
EXPECTED
