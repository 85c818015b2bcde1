"""engine-serve under load: requests a second and their times, by clients that each wait for an answer, over loopback.

Its memory is read before and after. Two servers, which share the cores, stand behind a proxy: docs/operations.md.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from bench.rows import OURS, ROOT, write_row
from bench.timing import Timing

REQUESTS = {1: 200, 4: 600, 16: 2000}
"""By the number of clients."""

CORES = len(os.sched_getaffinity(0))


def encoded(pixels: np.ndarray, container: str) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, container)
    return file.getvalue()


@contextmanager
def server(threads: int) -> Iterator[tuple[str, int]]:
    """The address of a server that computes with so many threads, and its process's number."""
    words = [sys.executable, "-m", "engine.commands.serve", "--port", "0", "--no-access-log"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "10000"}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[1].rstrip("/"), process.pid
        finally:
            process.terminate()


def resident_mb(process: int) -> float:
    """The memory of a process that is in use."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def asked(address: str, files: dict[str, tuple[str, bytes]], requests: int) -> list[float]:
    """The seconds of each of the requests of one client."""
    taken = []
    with httpx.Client(timeout=300) as client:
        for _ in range(requests):
            started = time.perf_counter()
            client.post(f"{address}/complete", files=files).raise_for_status()
            taken.append(time.perf_counter() - started)
    return taken


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize(("servers", "clients"), [(1, 1), (1, 4), (1, 16), (2, 4), (2, 16)])
def test_requests(benchmark: BenchmarkFixture, servers: int, clients: int) -> None:
    astronaut_HW3 = pytest.importorskip("skimage.data", reason="its photo is asked about").astronaut()
    mask_HW = np.zeros(astronaut_HW3.shape[:2], np.uint8)
    mask_HW[300:356, 100:156] = 255
    files = {"photo": ("photo.jpg", encoded(astronaut_HW3, "JPEG")), "mask": ("m.png", encoded(mask_HW, "PNG"))}
    with ExitStack() as stack:
        started = [stack.enter_context(server(threads=max(1, CORES // servers))) for _ in range(servers)]
        addresses = [address for address, _ in started]
        warm_up = max(asked(address, files, 3)[0] for address in addresses)
        before = max(resident_mb(process) for _, process in started)
        each = partial(asked, files=files, requests=REQUESTS[clients] // clients)
        begun = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            found = list(pool.map(each, (addresses[i % servers] for i in range(clients))))
        in_all = time.perf_counter() - begun
        after = max(resident_mb(process) for _, process in started)
    taken = [seconds for one in found for seconds in one]
    benchmark.pedantic(lambda: None, rounds=1)
    facts = {
        "requests": len(taken),
        "requests a second": round(len(taken) / in_all, 2),
        "p99, ms": round(1e3 * float(np.percentile(taken, 99))),
        "memory before, MB": before,
        "memory afterwards, MB": after,
    }
    named = "1 server" if servers == 1 else f"{servers} servers of {max(1, CORES // servers)} thread(s)"
    row = f"{named}, {clients} client(s), a hole of 56x56 in a JPEG of 512x512"
    write_row(benchmark, "Serving", row, {OURS: Timing.of(taken, warm_up)}, quality=facts)
