"""What the tests of commands share: a command called in this process, and weights that are quick."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.weights import save_weights
from tests.engine.inference.conftest import random_network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a network of a few weights."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, random_network(4))
    return path


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Calls a command's `main` with words as a shell would give them. SystemExit as it ends."""

    def call(main: Callable[[], None], *words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["/a/path/to/it", *map(str, words)])
        main()

    return call
