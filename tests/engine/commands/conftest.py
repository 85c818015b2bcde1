"""What the tests of commands share: a command called in this process."""

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Calls a command's `main` with words as a shell would give them. SystemExit as it ends."""

    def call(main: Callable[[], None], *words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["/a/path/to/it", *map(str, words)])
        main()

    return call
