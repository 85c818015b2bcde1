"""python -m tests.engine.cluster.two_nodes DESK WEIGHTS: a run on two nodes, one of which is killed in the middle.

To be started in a network namespace of its own (unshare -n), where 127.0.0.1 stays the nodes' address. Prints the exit
status, the summary, the names of the results that differ from those in DESK/done, and the photos of the report.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.cluster.conftest import files_in
from tests.engine.cluster.running import below, called, driver, end, ended, environment, place, rows, wait_for
from tests.engine.cluster.store_server import Server, store_server

PORT = 6389


def main(desk: Path, weights: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with store_server() as server, ray_nodes(server, desk / "home") as nodes:
        os.environ.update(environment(server, desk / "home"))
        server.upload(desk / "photos", "nodes/photos")
        server.upload(desk / "masks", "nodes/masks")
        server.fault = lambda method, path: "wait" if method == "PUT" and "/done/" in path else None
        words = ("--weights", weights, "--actors", 2)
        with driver(server, desk / "home", place("nodes"), *words, cluster=f"127.0.0.1:{PORT}") as process:
            wait_for(lambda: len(server.asked("PUT", "nodes/done")) >= 12, process)
            workers = called(below(nodes[1].pid), "ray::Worker")
            end(called([nodes[1].pid, *below(nodes[1].pid)], "raylet")[0])
            status, told, _ = ended(process)
        done, expected = server.files("nodes/done"), files_in(desk / "done")
        names = done.keys() | expected.keys()
        found = [row["name"] for row in rows(Path(place("nodes/done")))]
        differing = sorted(name for name in names if done.get(name) != expected.get(name))
        print(json.dumps([status, told["summary"], differing, len(workers), len(found), len(set(found))]))


@contextmanager
def ray_nodes(server: Server, home: Path) -> Iterator[list[subprocess.Popen]]:
    """A Ray cluster of two nodes with a CPU each, and the token that it asks for; what started them."""
    token = home / "token"
    token.write_text(secrets.token_hex(32))
    temporary = tempfile.mkdtemp(prefix="ray-")  # short, since sockets have their names in it
    own = environment(server, home) | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    os.environ.update(own)
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    ray += ["--node-ip-address=127.0.0.1", f"--object-store-memory={128 << 20}"]
    kinds = (
        ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={temporary}"],
        [f"--address=127.0.0.1:{PORT}"],
    )
    nodes = []
    try:
        for kind in kinds:
            nodes.append(subprocess.Popen([*ray, *kind], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            wait_for(lambda: called(below(nodes[-1].pid), "raylet"), None)
        yield nodes
    finally:
        for node in nodes:
            for pid in [*below(node.pid), node.pid]:
                end(pid)
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
