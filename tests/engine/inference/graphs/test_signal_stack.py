"""A signal after OpenVINO has compiled a model reaches Python's handler: see signal_stack.py."""

import subprocess
import sys

import pytest

SCRIPT = """
import gc, signal, subprocess
{faulthandler}
import torch
from engine.inference.runtimes import open_runtime
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.weights import NetworkWeights

network = CompletionNetwork(CompletionSpec(base_width=2)).eval().requires_grad_(False)
first, second = (open_runtime("openvino", NetworkWeights.of(network)) for _ in range(2))
for runtime in (first, second):
    runtime.run(torch.rand(1, 4, 64, 64))
del first, runtime
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGCHLD, lambda *_: print("heard", flush=True))
subprocess.run(["true"])
"""


@pytest.mark.parametrize("faulthandler", ["", "import faulthandler; faulthandler.enable()"])
def test_signals_after_openvino(faulthandler):
    pytest.importorskip("openvino")
    command = [sys.executable, "-c", SCRIPT.format(faulthandler=faulthandler)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    assert "heard" in result.stdout
