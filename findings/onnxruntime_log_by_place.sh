#!/usr/bin/env bash
# onnxruntime 1.31.1: Log gives the same number another last bit by where it stands in the tensor, and by the number of threads.
#
# An operator that works value by value is expected to give a value one result: then a tile of a picture equals the same
# part of the whole, and results do not depend on a machine's cores. Log computes most values in vectors and the last few
# of a tensor, or of each thread's share of it, otherwise. Exp, Sigmoid and Div do not. A million numbers here: those whose
# logarithm changes between one thread and three, and the lengths up to 64 at which the beginning of the tensor, alone,
# has another logarithm than in the whole. Seen with AVX-512. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.6
cat >"$folder/logarithms.py" <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import helper

numbers = np.random.default_rng(0).random(1_000_003, dtype=np.float32) + np.float32(0.01)


def computed(operator, threads=1):
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], operator, ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda values: session.run(None, {"x": values})[0]


print("onnxruntime", onnxruntime.__version__)
for operator in ("Log", "Exp", "Sigmoid"):
    one, three = computed(operator), computed(operator, threads=3)
    whole = one(numbers)
    by_threads = np.count_nonzero(three(numbers) != whole)
    by_place = sum(not np.array_equal(one(numbers[:length]), whole[:length]) for length in range(1, 65))
    print(f"{operator}: by threads {by_threads > 0}, by place {by_place > 0}")
PYTHON
"$folder/venv/bin/python" "$folder/logarithms.py" | tee "$folder/found"
diff "$folder/found" - <<'EXPECTED'
onnxruntime 1.31.1
Log: by threads True, by place True
Exp: by threads False, by place False
Sigmoid: by threads False, by place False
EXPECTED
