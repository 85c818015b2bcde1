"""Whether a process is one of several, and how they find each other."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
import torch.distributed as dist

from engine.torchrun import meet, of_this_start, started_by_launcher
from engine.training.distributed import connect

SECOND_OF_TWO = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


@pytest.mark.parametrize("missing", [None, *SECOND_OF_TWO])
def test_a_process_is_one_of_several_if_all_that_torchrun_sets_is_there(monkeypatch, missing):
    for name, value in SECOND_OF_TWO.items():
        monkeypatch.setenv(name, value)
    if missing:
        monkeypatch.delenv(missing)
    assert started_by_launcher() is (missing is None)


@pytest.fixture
def store(monkeypatch):
    """torchrun's store, as if it had started this process as the second of two; one second is time enough to meet."""
    opened = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(opened.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in {**SECOND_OF_TWO, **there, "TORCHELASTIC_RESTART_COUNT": "0"}.items():
        monkeypatch.setenv(name, value)
    for module in ("engine.torchrun", "engine.training.distributed"):
        monkeypatch.setattr(f"{module}.MEETING", timedelta(seconds=1))
    return opened


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


@pytest.mark.parametrize("of_torchrun", ["True", "False"])
@pytest.mark.parametrize("rank", ["0", "1"])
def test_an_address_that_leads_nowhere_is_told_in_a_line(store, monkeypatch, closed_port, rank, of_torchrun, capfd):
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", of_torchrun)
    monkeypatch.setenv("RANK", rank)
    for address in ("nowhere.invalid", "127.0.0.1"):
        monkeypatch.setenv("MASTER_ADDR", address)
        monkeypatch.setenv("MASTER_PORT", closed_port)
        with pytest.raises(ConnectionError, match=f"process {rank} of 2 cannot meet.*{address}:{closed_port}") as told:
            meet()
        assert "\n" not in str(told.value)
    assert "frame #" not in capfd.readouterr().err


def test_a_port_that_is_taken_is_told_in_a_line(store, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE")
    with pytest.raises(ConnectionError, match="EADDRINUSE") as told:
        meet()
    assert "\n" not in str(told.value)


def test_who_does_not_come_is_named(store, monkeypatch, capfd):
    with pytest.raises(ConnectionError, match=r"process 1 of 2 waited 1 s at 127.0.0.1:.* did not come: 0;"):
        meet()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")  # the one that was there before it does not count
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConnectionError, match="did not come: 1;"):
        meet()
    assert capfd.readouterr().err == ""


def test_who_comes_and_cannot_be_connected_to_is_told_in_a_line(store, monkeypatch):
    of_this_start(store).set("met 0", "")
    with pytest.raises(ConnectionError, match=r"process 1 of 2 cannot connect to the others.*GLOO_SOCKET_IFN") as told:
        connect("gloo", of_this_start(meet()), 1, 2)
    assert "\n" not in str(told.value)


def test_a_connection_lasts_although_the_others_take_their_time(store):
    """Longer than processes may take to meet."""
    program = """if True:
        import sys, time
        from datetime import timedelta
        import torch.distributed as dist
        from engine.training import distributed
        distributed.MEETING = timedelta(seconds=1)
        rank = int(sys.argv[1])
        distributed.connect("gloo", dist.TCPStore("127.0.0.1", int(sys.argv[2]), is_master=False), rank, 2)
        time.sleep(3 * rank)
        dist.barrier()
    """
    words = [sys.executable, "-c", program]
    started = [subprocess.Popen([*words, str(rank), os.environ["MASTER_PORT"]]) for rank in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]


def test_a_process_that_has_done_its_work_does_not_take_itself_apart():
    """Where something of it may abort."""
    program = "import atexit, os, sys; from engine.torchrun import end_at_once; atexit.register(print, 'handled'); "
    program += "sys.kept = type('Aborts', (), {'__del__': lambda self: os.abort()})(); print('done'); end_at_once()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "done\nhandled\n"), ended.stderr
