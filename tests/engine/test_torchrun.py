"""Whether a process is one of several: training and inference say the same."""

import pytest

from engine.inference.ranks import rank_and_world
from engine.torchrun import started_by_launcher

SECOND_OF_TWO = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


@pytest.mark.parametrize("missing", [None, *SECOND_OF_TWO])
def test_a_process_is_one_of_several_if_all_that_torchrun_sets_is_there(monkeypatch, missing):
    for name, value in SECOND_OF_TWO.items():
        monkeypatch.setenv(name, value)
    if missing:
        monkeypatch.delenv(missing)
    assert (started_by_launcher(), rank_and_world()) == ((False, (0, 1)) if missing else (True, (1, 2)))
