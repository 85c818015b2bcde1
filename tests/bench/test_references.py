"""The rows of the kernels' plain versions measure what their names say."""

from typing import Any

import pytest

from bench import test_references
from bench.counting import Moved
from bench.kernel_work import WORK


def operators(name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many the call of that row does."""
    counter = Moved()

    def counted(benchmark: Any, table: str, row: str, call: Any, **facts: Any) -> None:
        with counter:
            call()

    monkeypatch.setattr(test_references, "measure", counted)
    test_references.test_reference(None, name)
    return counter.operators


@pytest.mark.parametrize("name", [name for name in WORK if name.endswith(" and backward")])
def test_a_row_with_its_backward_pass_does_more_than_the_one_without(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert operators(name, monkeypatch) > operators(name.removesuffix(" and backward"), monkeypatch)
