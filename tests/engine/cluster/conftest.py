"""What the tests of stores and clusters share: a bucket, photos with and without masks, and the files of a folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.commands import infer
from tests.engine.cluster.store_server import BUCKET, Server, store_server
from tests.engine.commands.conftest import run_main, weights

__all__ = ["run_main", "weights"]


@pytest.fixture(scope="session")
def one_server() -> Iterator[Server]:
    with store_server() as server:
        yield server


@pytest.fixture
def server(one_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A store that the environment names, and of which nothing has been asked."""
    for name, value in one_server.environment.items():
        monkeypatch.setenv(name, value)
    one_server.requests.clear()
    one_server.credentials.clear()
    one_server.fault = lambda method, path: None
    return one_server


@pytest.fixture(scope="session")
def make_photos(shipped_photos: Path) -> Callable[[Path, int], None]:
    """Makes photos of 48x48 in `photos`, some in folders, and masks of the same names in `masks`; every tenth photo is
    broken, and every tenth has no mask."""
    pictures = [
        Image.open(shipped_photos / f"{name}.png").convert("RGB") for name in ("astronaut", "coffee", "chelsea")
    ]

    def make(folder: Path, count: int) -> None:
        random = np.random.default_rng(0)
        for number in range(count):
            name = f"p{number:04}" if number % 3 else f"day {number % 2}/p{number:04}"
            photo = folder / "photos" / f"{name}.{'jpg' if number % 2 else 'png'}"
            photo.parent.mkdir(parents=True, exist_ok=True)
            picture = pictures[number % 3]
            x, y = random.integers(0, picture.width - 48), random.integers(0, picture.height - 48)
            picture.crop((x, y, x + 48, y + 48)).save(photo)
            if number % 10 == 3:
                photo.write_bytes(photo.read_bytes()[:99])
            if number % 10 == 6:
                continue
            mask = folder / "masks" / f"{name}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            hole_HW = np.zeros((48, 48), np.uint8)
            x, y = random.integers(2, 26, 2)
            hole_HW[y : y + 16, x : x + 16] = 255
            Image.fromarray(hole_HW).save(mask)

    return make


@pytest.fixture(scope="module")
def desk(request, make_photos, tmp_path_factory):
    """A module's COUNT photos and their masks in a folder, a user's home beside."""
    folder = tmp_path_factory.mktemp("desk")
    make_photos(folder, request.module.COUNT)
    (folder / "home").mkdir()
    return folder


@pytest.fixture
def run(weights, run_main, capsys):
    """engine-infer with these words: its exit status, its lines of JSON, and what else it said."""

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            run_main(infer.main, *words, "--weights", weights, "--json")
        said = capsys.readouterr()
        told = ended.value.code if isinstance(ended.value.code, str) else ""
        return (1 if told else ended.value.code), [json.loads(line) for line in said.out.splitlines()], said.err + told

    return call


def in_bucket(prefix, scheme="s3"):
    return f"{scheme}://{BUCKET}/{prefix}"


def files_in(folder: Path) -> dict[str, bytes]:
    """The content of all files of a folder, by their names there, but for reports."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    named = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: file.read_bytes() for name, file in named.items() if not name.startswith("report.parquet/")}
