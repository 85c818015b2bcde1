"""engine-export --to web as a user meets it: what it needs, what it refuses, and what is there if it fails."""

import json
import re
from functools import partial
from pathlib import Path

import pytest

from engine.commands.export import main
from engine.web.site import ONNXRUNTIME_WEB, RUNTIME_FILES, SERVED_ALONE
from tests.conftest import files_of_at_most


@pytest.fixture
def export(run_main):
    """engine-export in this process."""
    return partial(run_main, main)


def package_in(folder: Path, version: str = ONNXRUNTIME_WEB, files: tuple[str, ...] = RUNTIME_FILES) -> Path:
    """A folder like the npm package: nothing is run of it."""
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": version}))
    for file in files:
        (folder / "dist" / file).write_bytes(b"runtime" * 1000)
    return folder


def test_the_page_has_all_that_it_names(weights, export, tmp_path, monkeypatch, capsys):
    """Taken from node_modules in the current folder; what needs a server is left out; the next page replaces it."""
    package_in(tmp_path / "node_modules" / "onnxruntime-web")
    monkeypatch.chdir(tmp_path)
    export(weights, "--to", "web", "--out", "site")
    assert "python -m http.server --bind 127.0.0.1 --directory site" in capsys.readouterr().out
    site = tmp_path / "site"
    assert {path.name for path in (site / "model").iterdir()} == {"spec.json", "padded.onnx", "interior.onnx"}
    assert {path.name for path in (site / "onnxruntime-web").iterdir()} == set(RUNTIME_FILES)
    assert json.loads((site / "model" / "spec.json").read_text())["halo"] > 100
    names = {str(path.relative_to(site)) for path in site.rglob("*.js")}
    assert names & set(SERVED_ALONE) == {"server.js"}
    for path in site.rglob("*.js"):
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "} from ")) and ' from "./' in line:
                imported = path.parent / line.rpartition(' from "')[2].rstrip('";')
                assert imported.is_file(), line
    (site / "model" / "old.txt").write_text("old")
    export(weights, "--to", "web", "--out", "site")
    assert not (site / "model" / "old.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"node_modules", "site"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "web"), "--to web writes a folder: name it with --out"),
        (("--to", "web", "--out", "site", "--precision", "fp16"), "leave out --precision"),
        (("--to", "web", "--out", "site", "--size", "512,512"), "leave out --precision"),
        (("--to", "onnx", "--onnxruntime-web", "package"), "--onnxruntime-web is for --to web"),
        (("--to", "web", "--out", "site"), f"node_modules/onnxruntime-web is not the npm package .*@{ONNXRUNTIME_WEB}"),
        (("--to", "web", "--out", "site", "--onnxruntime-web", "old"), f"onnxruntime-web 1.2.3; .* {ONNXRUNTIME_WEB}"),
        (
            ("--to", "web", "--out", "site", "--onnxruntime-web", "part"),
            "part has no dist/ort.webgpu.min.mjs: npm inst",
        ),
        (
            ("--to", "web", "--out", "mine", "--onnxruntime-web", "whole"),
            "mine, which is there and is no exported page",
        ),
    ],
)
def test_mistakes_are_named(weights, export, tmp_path, monkeypatch, capsys, words, message):
    package_in(tmp_path / "old", "1.2.3")
    package_in(tmp_path / "part", files=RUNTIME_FILES[:3])
    package_in(tmp_path / "whole")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        export(weights, *words)
    said = " ".join(f"{stopped.value.code} {capsys.readouterr().err}".replace("│", " ").split())
    assert re.search(message, said)
    assert not (tmp_path / "site").exists()
    assert (tmp_path / "mine" / "diary.txt").read_text() == "mine"


def test_a_full_disk_leaves_the_page_that_was_there(weights, export, tmp_path):
    package, site = package_in(tmp_path / "package"), tmp_path / "site"
    words = (weights, "--to", "web", "--out", site, "--onnxruntime-web", package)
    export(*words)
    (site / "mark").touch()
    with files_of_at_most(5000), pytest.raises(SystemExit, match="engine-export"):
        export(*words)
    assert (site / "mark").exists()
    assert {path.name for path in tmp_path.iterdir()} >= {"package", "site"}
    assert not list(tmp_path.glob(".site*"))
