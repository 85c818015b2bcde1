"""2,000 photos on a cluster, some broken and some without masks, while parts of it are killed: each comes out once, as
of a folder, or fails by its name."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.cluster.conftest import files_in
from tests.engine.cluster.running import (
    ROOT,
    below,
    called,
    complete,
    driver,
    end,
    ended,
    is_running,
    place,
    rows,
    wait_for,
)

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

COUNT = 2000


@pytest.fixture(scope="module")
def words(weights):
    """The cheapest way to complete a photo."""
    return ["--weights", weights, "--texture", "none"]


@pytest.fixture(scope="module")
def expected(desk, words):
    """The results that engine-infer gives for the folder."""
    complete(desk / "photos", "--mask", desk / "masks", "--out", desk / "expected", *words, "--json")
    found = files_in(desk / "expected")
    assert len(found) == COUNT * 4 // 5
    return found


def results(folder):
    """How many results there are: files that have their names already."""
    return sum(not name.startswith(".") for _, _, files in os.walk(folder) for name in files)


def check(told, out, expected):
    """The summary and the report name each photo that has no result as failed, and those alone, with a reason."""
    summary = told["summary"]
    assert (summary["completed"] + summary["skipped"], summary["failed"]) == (len(expected), COUNT // 5)
    found = rows(out)
    failed = {row["name"]: row["error"] for row in found if row["status"] == "failed"}
    assert len(failed) == COUNT // 5
    assert not failed.keys() & expected.keys()
    assert all("no mask" in error or "photo" in error for error in failed.values())
    return found


def test_processes_are_killed(desk, words, expected):
    with driver(None, desk / "home", str(desk), *words, "--actors", 2, done="processes") as process:
        for done in (100, 600, 1100):
            wait_for(lambda done=done: results(desk / "processes") >= done, process)
            end(called(below(process.pid), "ray::Worker")[0])
        status, told, _ = ended(process)
    assert status == 1
    assert files_in(desk / "processes") == expected
    found = check(told, desk / "processes", expected)
    assert len(found) == len({row["name"] for row in found}) == COUNT


def test_a_node_is_killed(desk, words, expected):
    """Of two, in a network namespace of their own."""
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, unshare and ip: a network namespace of its own for each node")
    command = [*alone, sys.executable, "-m", "tests.engine.cluster.two_nodes", str(desk), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    status, told, killed = json.loads(done.stdout.splitlines()[-1])
    assert (status, killed) == (1, 1)
    assert files_in(desk / "nodes") == expected
    found = check(told, desk / "nodes", expected)
    assert len(found) == len({row["name"] for row in found}) == COUNT


def test_the_command_is_killed_and_started_again(desk, words, expected):
    out = desk / "commands"
    for number, status, done in ((signal.SIGTERM, 143, 300), (signal.SIGKILL, -9, 900)):
        with driver(None, desk / "home", str(desk), *words, done=out.name) as process:
            wait_for(lambda done=done: results(out) >= done, process)
            started = below(process.pid)
            process.send_signal(number)
            assert process.wait(120) == status
            wait_for(lambda started=started: not any(map(is_running, started)))
        there = {name: file for name, file in files_in(out).items() if not Path(name).name.startswith(".")}
        assert done <= len(there) < len(expected)
        assert there.items() <= expected.items()
    with driver(None, desk / "home", str(desk), *words, done=out.name) as process:
        status, told, _ = ended(process)
    assert status == 1
    assert told["summary"]["skipped"] >= 900
    assert files_in(out) == expected
    check(told, out, expected)


def test_the_store_fails_now_and_then(server, desk, words, expected):
    """It refuses, answers slowly and by half, and loses requests."""
    server.upload(desk / "photos", "kills/photos")
    server.upload(desk / "masks", "kills/masks")
    faults = {0: "refuse", 31: "break off", 62: "lose", 93: "wait"}
    server.fault = lambda method, path: faults.get(len(server.requests) % 127)
    with driver(server, desk / "home", place("kills"), *words) as process:
        status, told, _ = ended(process)
    assert status == 1
    server.fault = lambda method, path: None
    assert server.files("kills/done") == expected
    found = check(told, Path(place("kills/done")), expected)
    assert len(found) == len({row["name"] for row in found}) == COUNT
