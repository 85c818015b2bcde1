"""python -m tests.engine.cluster.two_nodes DESK WORDS: a run on two nodes, one of which is killed in the middle.

To be started in a network namespace of its own (unshare -n), where 127.0.0.1 stays the nodes' address. The results
go to DESK/nodes. Prints the exit status, the summary, and how many processes the node had.
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

from tests.engine.cluster.running import below, called, driver, end, ended, environment, wait_for

PORT = 6389


def main(desk: Path, *words: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with ray_nodes(desk / "home") as nodes:
        every = [*words, "--actors", 2]
        with driver(None, desk / "home", str(desk), *every, cluster=f"127.0.0.1:{PORT}", done="nodes") as process:
            wait_for(lambda: sum(len(files) for _, _, files in os.walk(desk / "nodes")) >= 500, process)
            workers = called(below(nodes[1].pid), "ray::Worker")
            end(called([nodes[1].pid, *below(nodes[1].pid)], "raylet")[0])
            status, told, _ = ended(process)
        print(json.dumps([status, told, len(workers)]))


@contextmanager
def ray_nodes(home: Path) -> Iterator[list[subprocess.Popen]]:
    """A Ray cluster of two nodes with a CPU each, and the token that it asks for; what started them."""
    token = home / "token"
    token.write_text(secrets.token_hex(32))
    temporary = tempfile.mkdtemp(prefix="ray-")  # short, since sockets have their names in it
    own = environment(None, home) | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
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
    main(Path(sys.argv[1]), *sys.argv[2:])
