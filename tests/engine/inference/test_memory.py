"""How much memory is said to be free, on machines and in containers as their files describe them."""

import pytest

from engine.memory import UNKNOWN, free_memory, memory_limit

MEMINFO = "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    8000000 kB\n"
CPU = "cpu"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"proc/meminfo": MEMINFO}, 8_000_000 * 1024),
        ({}, UNKNOWN),
        ({"proc/meminfo": MEMINFO, "memory.max": "max\n", "memory.current": "5\n"}, 8_000_000 * 1024),
        ({"proc/meminfo": MEMINFO, "memory.max": "2000000\n", "memory.current": "500000\n"}, 1_500_000),
        (
            {
                "proc/meminfo": MEMINFO,
                "memory.max": "2000000\n",
                "memory.current": "1900000\n",
                "memory.stat": "anon 300\nfile 1500000\ninactive_file 1400000\nactive_file 100000\n",
            },
            1_500_000,
        ),
        ({"memory.max": "100\n", "memory.current": "200\n"}, 0),
    ],
)
def test_what_the_system_says(files, free, tmp_path):
    for name, text in files.items():
        file = tmp_path / (name if "/" in name else f"sys/fs/cgroup/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert free_memory(CPU, tmp_path) == free


def test_here():
    assert free_memory(CPU) > 50 << 20
    assert memory_limit(None, CPU) > 25 << 20
    assert memory_limit(1000, CPU) == 1000
