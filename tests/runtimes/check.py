"""Opens the exported graph in each program of docs/runtimes.md, by the lines that stand there, and compares.

    build/runtimes/venv/bin/python tests/runtimes/check.py build/runtimes [RUNTIME ...]

The folder is what `references.py` has filled. Each program has a process of its own; `make runtimes` does all of it.
Exit status 1 if one cannot open the graph, or its result differs from PyTorch's by more than its limit.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

GUIDE = (Path(__file__).parents[2] / "docs" / "runtimes.md").read_text()

PACKAGES = {
    "ONNX Runtime": ("onnxruntime",),
    "OpenVINO": ("openvino",),
    "OpenCV": ("opencv-python-headless",),
    "ncnn": ("ncnn", "pnnx"),
    "MNN": ("MNN",),
    "tract": ("tract",),
    "LiteRT": ("ai-edge-litert", "onnx2tf"),
}
LIMITS = {"MNN": 1e-4}
"""The largest difference from PyTorch, of a range of 1; of the others, LIMIT."""
LIMIT = 2e-6

RUNS = 7
"""Of which the fastest counts."""

Runner = Callable[[np.ndarray], np.ndarray]


def blocks(runtime: str, language: str) -> list[str]:
    """The lines of a section of the guide that are in `language`."""
    (section,) = re.findall(rf"^## {runtime}\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def open_graph(runtime: str) -> Runner:
    """What a section's lines define as `run`, of the current folder's default.onnx."""
    (beginning,) = blocks("What was measured", "python")
    # pnnx's command imports PyTorch before it starts the program beside it, which needs none.
    pnnx = find_spec("pnnx")
    assert pnnx
    assert pnnx.origin
    path = os.pathsep.join([str(Path(pnnx.origin).parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    for lines in blocks(runtime, "bash"):
        subprocess.run(["bash", "-ec", lines], check=True, env={**os.environ, "PATH": path}, stdout=sys.stderr)
    names: dict[str, Runner] = {}
    exec(beginning + "\n".join(blocks(runtime, "python")), names)
    return names["run"]


def measure(folder: Path, runtime: str) -> dict[str, float]:
    """The largest difference from PyTorch, and the time of 512x512, beside ONNX Runtime's with either graph."""
    references = np.load(folder / "references.npz")
    sizes = [name.removeprefix("holed_") for name in references if name.startswith("holed_")]
    measured = {"difference": 0.0}
    for graph, its_sizes in {"any": sizes, "512x512": ["512x512"]}.items():
        os.chdir(folder / graph)
        run = open_graph(runtime)
        for size in its_sizes:
            generated_N3HW, expected_N3HW = run(references[f"holed_{size}"]), references[f"generated_{size}"]
            assert generated_N3HW.shape == expected_N3HW.shape, f"{generated_N3HW.shape} for {size}"
            difference = float(np.abs(generated_N3HW - expected_N3HW).max())
            measured["difference"] = np.maximum(measured["difference"], difference)  # which keeps what is no number
        holed_N4HW = references["holed_512x512"]
        measured["seconds"], measured[graph] = in_turn(run, open_graph("ONNX Runtime"), holed_N4HW)
    return measured


def in_turn(run: Runner, other: Runner, holed_N4HW: np.ndarray) -> tuple[float, float]:
    """The least processor time of `run`, in seconds, and as a multiple of the other's: of one thread, it is the time,
    and other programs on the machine hardly change it."""
    times: dict[Runner, list[float]] = {run: [], other: []}
    for _ in range(RUNS):
        for runner, taken in times.items():
            began = time.process_time()
            runner(holed_N4HW)
            taken.append(time.process_time() - began)
    return min(times[run]), min(times[run]) / min(times[other])


def check(folder: Path, runtime: str) -> str | None:
    """Prints one row of the guide's table. Returns the fault that was found, if any."""
    words = [sys.executable, __file__, str(folder), "--measure", runtime]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr  # tract's reason stands above a stack trace
        return f"{runtime}: {said if len(said) < 6000 else f'{said[:3000]} [...] {said[-3000:]}'}{done.stdout[-1000:]}"
    measured = json.loads(done.stdout.splitlines()[-1])
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES[runtime])
    print(
        f"| {runtime} | {versions} | {measured['difference']:.1e} | {measured['seconds']:.2f} s "
        f"| {measured['any']:.2f} | {measured['512x512']:.2f} |",
        flush=True,
    )
    if versions not in GUIDE:
        return f"{runtime}: docs/runtimes.md has not measured {versions}: put the row above into its table"
    limit = LIMITS.get(runtime, LIMIT)
    if not measured["difference"] <= limit:
        return f"{runtime}: differs from PyTorch by {measured['difference']:.2g}; the limit is {limit}"
    return None


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    if sys.argv[2:3] == ["--measure"]:
        print(json.dumps(measure(folder, sys.argv[3])))
        return
    faults = []
    for runtime in sys.argv[2:] or PACKAGES:
        if runtime == "LiteRT" and sys.version_info < (3, 12):
            print("LiteRT is left out: onnx2tf needs Python 3.12")
        else:
            faults.append(check(folder, runtime))
    sys.exit("\n".join(filter(None, faults)) or None)


if __name__ == "__main__":
    main()
