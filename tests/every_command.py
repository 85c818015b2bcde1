"""python -m tests.every_command: the README's commands, one after the other in this process, in the current folder.

It is `desk` of test_readme.py. Networks are tiny, and folders short, so that to trace all of it takes seconds.
"""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace

from engine.commands import data, evaluate, export, import_weights, infer
from engine.commands.train import parse, to_plot
from engine.training.launch import run
from engine.training.plot import plot
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network
from tests.engine.training.conftest import TINY
from tests.test_readme import commands


def call(main: Callable[[], None], words: list[str]) -> None:
    """The command, and on standard output what it ended with."""
    sys.argv = [main.__module__, *words]
    status: object = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code or 0
    print("ended:", status, *sys.argv)


def main() -> None:
    save_weights("weights.safetensors", random_network(16))
    shutil.copy("weights.safetensors", "default.safetensors")
    for words in commands("engine-export"):
        call(export.main, [word.replace("default", "default.safetensors") for word in words])
    for words in commands("engine-infer"):
        call(infer.main, words)
    for runtime in ("onnx", "openvino"):
        out = ["--out", f"{runtime}.png", "--weights", "weights.safetensors", "--runtime", runtime]
        call(infer.main, ["photo.jpg", "--hole", "96,64,48,40", *out])
    for words in commands("engine-evaluate"):
        call(evaluate.main, [*words, "--limit", "2", "--weights", "weights.safetensors"])
    for words in (["index", "photos"], ["check", "photos"], ["mean", "photos"], ["pack", "photos", "shards"]):
        call(data.main, words)
    call(import_weights.main, ["weights.safetensors", "--out", "imported.safetensors"])
    small = {name: value for name, value in TINY.items() if name not in ("workers", "device")} | {"workers": 0}
    for words in commands("engine-train"):
        if folder := to_plot(words):
            plot(folder)
            print("ended:", 0, "engine-train", *words)
            continue
        config = replace(parse(words), **small, gpus=None, compile=False)  # which takes minutes
        print("ended:", run(config).iteration - config.schedule.total, "engine-train", *words)


if __name__ == "__main__":
    main()
