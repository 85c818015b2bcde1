"""Runs `triton_cases.py` in Triton's interpreter: in its own process, since Triton chooses when it is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_triton_kernels_in_the_interpreter() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1", "ENGINE_KERNELS": "triton"}
    cases = Path(__file__).with_name("triton_cases.py")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", cases], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
