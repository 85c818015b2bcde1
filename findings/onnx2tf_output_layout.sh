#!/usr/bin/env bash
# onnx2tf 2.6.9: whether the output of a converted graph is NCHW or NHWC depends on the operators that it ends in.
#
# The input of a picture becomes NHWC, as the project's README says. So does the output of a convolution alone, and of
# one before a sigmoid. After a logarithm, or a sum with the input, the output is NCHW as in the ONNX file. Nothing says
# which; whoever changes a network's last operator, or has as many channels as rows, reads the wrong numbers. -kat keeps
# the input NCHW and changes nothing of the output. Look at the output's shape. Exit status 1 if that changes.
# Needs Python 3.12 or later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in python3 python3.13 python3.12 none; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then break; fi
done
[ "$python" != none ] || { echo "onnx2tf 2.6.9 needs Python 3.12 or later" >&2; exit 1; }
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps onnx2tf==2.6.9 ai-edge-litert==2.3.0 flatbuffers==25.12.19 h5py==3.14.0 \
  ml_dtypes==0.6.0 numpy==2.4.6 onnx==1.23.2 protobuf==7.36.2 psutil==7.2.2 sne4onnx==2.0.1 sng4onnx==2.0.1 \
  tqdm==4.70.1 typing_extensions==4.16.0
cd "$folder"
PATH="$folder/venv/bin:$PATH" "$folder/venv/bin/python" - <<'PYTHON'
import subprocess

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

ENDS = {
    "Conv": [],
    "Conv, Sigmoid": [helper.make_node("Sigmoid", ["c"], ["y"])],
    "Conv, Log": [helper.make_node("Log", ["c"], ["y"])],
    "Conv, Add of the input": [helper.make_node("Add", ["c", "x"], ["y"])],
}
weight = numpy_helper.from_array(np.ones((3, 3, 3, 3), np.float32), "w")
seen = {}
for number, (name, end) in enumerate(ENDS.items()):
    nodes = [helper.make_node("Conv", ["x", "w"], ["c" if end else "y"], pads=[1] * 4), *end]
    ends = [[helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, 3, 8, 12])] for value in "xy"]
    graph = helper.make_graph(nodes, "graph", *ends, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f"{number}.onnx")
    subprocess.run(["onnx2tf", "-i", f"{number}.onnx", "-o", "."], check=True, capture_output=True)
    interpreter = Interpreter(f"{number}_float32.tflite")
    seen[name] = interpreter.get_output_details()[0]["shape"].tolist()
    print(f"{name}: input {interpreter.get_input_details()[0]['shape'].tolist()}, output {seen[name]}", flush=True)
expected = [[1, 8, 12, 3], [1, 8, 12, 3], [1, 3, 8, 12], [1, 3, 8, 12]]
raise SystemExit(0 if list(seen.values()) == expected else f"the behaviour has changed: {seen}")
PYTHON
