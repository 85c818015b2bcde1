"""How long each command takes until it has shown its help: python -m bench bench/test_startup.py

The floor is what most of them cannot do without, importing torch.
"""

import subprocess
import sys
import tomllib

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.rows import ROOT, measure

COMMANDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(benchmark: BenchmarkFixture, command: str) -> None:
    module, function = COMMANDS[command].split(":")
    help_shown = (
        f"import sys; from {module} import {function}; sys.argv = ['{command}', '--help']\n"
        f"try: {function}()\nexcept SystemExit as end: sys.exit(end.code)"
    )
    floor = {"import torch": lambda: run("import torch")}
    measure(benchmark, "Start-up", f"{command} --help", lambda: run(help_shown), floor, rounds=1)
