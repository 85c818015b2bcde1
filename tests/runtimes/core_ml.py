"""Converts the default weights to Core ML by the lines of docs/runtimes.md, and looks at what comes out.

    PYTHONPATH=build/runtimes/coremltools .venv/bin/python -m tests.runtimes.core_ml build/runtimes

coremltools converts from PyTorch, so that this needs the main environment, with coremltools in a folder of its own.
Only macOS runs the result. Exit status 1 if it is not the network.
"""

import os
import sys
from collections import Counter
from pathlib import Path

from tests.runtimes.check import blocks

LAYERS = {"conv": 15, "conv_transpose": 2, "relu": 16, "sigmoid": 1}
"""Some of the operators that must come out, and how many."""


def main() -> None:
    os.chdir(sys.argv[1])
    names: dict = {}
    exec(blocks("Core ML", "python")[0], names)
    (output,) = names["model"].get_spec().description.output
    operators = Counter(operator.op_type for operator in names["model"]._mil_program.functions["main"].operations)
    found = {name: operators[name] for name in LAYERS}
    if output.name != "generated" or found != LAYERS or not Path("default.mlpackage").is_dir():
        sys.exit(f"Core ML: the output is {output.name}, and operators are {operators}; expected are {LAYERS}")
    print(f"Core ML: coremltools {names['coremltools'].__version__} converts to {operators.total()} operators")


if __name__ == "__main__":
    main()
