"""The folder of a page that needs no server: that of engine-serve, with a `server.js` that completes photos itself.

Its painting is that of `engine/serve/static`, unchanged. `engine/web/static` has what takes the server's place: the
steps of `engine.inference` without texture, in JavaScript, around the exported graphs, which onnxruntime-web runs.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from data.files import folder_beside
from engine.inference.graphs.export import GRAPHS, cached_onnx
from engine.networks import CompletionNetwork

PAGE = Path(__file__).parents[1] / "serve" / "static"
OURS = Path(__file__).parent / "static"

SERVED_ALONE = ("api.html", "api.js", "server.js", "token.js")
"""Files of the served page that are of use with a server alone."""

ONNXRUNTIME_WEB = "1.30.0"
"""The version that the page was tested with."""

RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""Of onnxruntime-web's `dist`: what runs on the CPU, and what runs on a GPU."""

SPEC = Path("model", "spec.json")
"""Also what tells a page that was exported from any other folder."""


def find_onnxruntime_web(folder: Path) -> Path:
    """The `dist` of the npm package in `folder`. ValueError, with what to type, if it is not there, or not whole."""
    try:
        described = json.loads((folder / "package.json").read_text())
        name, version = described["name"], described["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} is not the npm package onnxruntime-web: {how_to_get_it()}") from error
    if (name, version) != ("onnxruntime-web", ONNXRUNTIME_WEB):
        raise ValueError(
            f"{folder} is {name} {version}; the page needs onnxruntime-web {ONNXRUNTIME_WEB}: {how_to_get_it()}"
        )
    if missing := [file for file in RUNTIME_FILES if not (folder / "dist" / file).is_file()]:
        raise ValueError(f"{folder} has no dist/{missing[0]}: {how_to_get_it()}")
    return folder / "dist"


def how_to_get_it() -> str:
    """The command that puts it where `engine-export` looks for it."""
    return f"npm install --no-save --ignore-scripts onnxruntime-web@{ONNXRUNTIME_WEB}, or --onnxruntime-web FOLDER"


def write_site(network: CompletionNetwork, runtime: Path, out: Path) -> None:
    """The page for `network` in the folder `out`, all of it or what was there before.

    `runtime` is onnxruntime-web's dist. ValueError if `out` is there and is no such page; OSError if it cannot be
    written.
    """
    if out.exists() and not (out / SPEC).is_file():
        raise ValueError(f"--out is {out}, which is there and is no exported page; name a new folder")
    graphs = {graph: cached_onnx(network, "fp32", graph) for graph in GRAPHS}
    with folder_beside(out) as folder:
        site, before = folder / "site", folder / "before"
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(PAGE, site, ignore=shutil.ignore_patterns(*SERVED_ALONE))
        shutil.copytree(OURS, site, dirs_exist_ok=True)
        (site / "onnxruntime-web").mkdir()
        for file in RUNTIME_FILES:
            shutil.copyfile(runtime / file, site / "onnxruntime-web" / file)
        (site / SPEC).parent.mkdir()
        (site / SPEC).write_text(json.dumps(asdict(network.spec) | {"halo": network.spec.halo}, indent=1))
        for graph, content in graphs.items():
            (site / "model" / f"{graph}.onnx").write_bytes(content)
        if out.exists():
            os.replace(out, before)
        os.replace(site, out)


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
