"""engine-infer --cluster: every photo comes out once, as of a folder, or fails by its name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from engine.cluster.todo import CACHE
from tests.engine.cluster.conftest import files_in
from tests.engine.cluster.running import ROOT, below, called, complete, driver, end, ended, place, rows

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

COUNT = 80


@pytest.fixture(scope="module")
def expected(desk, weights):
    """The results that engine-infer gives for the folder."""
    complete(desk / "photos", "--mask", desk / "masks", "--out", desk / "done", "--weights", weights)
    return files_in(desk / "done")


@pytest.fixture
def bucket(server, desk, request):
    """A place in the store with these photos and masks."""
    name = request.node.name
    server.upload(desk / "photos", f"{name}/photos")
    server.upload(desk / "masks", f"{name}/masks")
    return name


def check(server, bucket, expected, told):
    """All results are there and right, and the report has a row for every photo, failed ones with their reasons."""
    assert server.files(f"{bucket}/done") == expected
    assert told["summary"] == {"completed": len(expected), "copied": 0, "skipped": 0, "failed": COUNT // 5}
    found = rows(Path(place(f"{bucket}/done")))
    assert len(found) == len({row["photo"] for row in found}) == COUNT
    failed = {row["name"] for row in found if row["status"] == "failed"}
    assert failed == {row["name"] for row in found} - set(expected)
    assert all(row["error"] and place(bucket) in row["error"] for row in found if row["status"] == "failed")


def test_a_bucket_and_what_failed_of_it(server, bucket, desk, expected, weights):
    with driver(server, desk / "home", place(bucket), "--weights", weights) as process:
        status, told, said = ended(process)
    assert status == 1
    check(server, bucket, expected, told)
    assert f"{COUNT} of {COUNT} photos are to be completed" in said
    assert len(told["slowest"]) == len(told["failures"]) == 5
    assert told["report"] == place(f"{bucket}/done/report.parquet")
    asked = [path for method, path in server.requests if "/photos/" in path or "/masks/" in path]
    assert len(asked) == len(set(asked)), "one request for a photo, and one for its mask"

    # One of those that failed is mended; another one has lost its result, and is not one of those that failed.
    mended = next(row for row in rows(Path(place(f"{bucket}/done"))) if "no mask" in str(row["error"]))
    server.put(f"{bucket}/masks/{mended['name'].rpartition('.')[0]}.png", (desk / "masks" / "p0001.png").read_bytes())
    server.client.delete_object(Bucket="bucket", Key=f"{bucket}/done/p0001.jpg")
    with driver(server, desk / "home", place(bucket), "--weights", weights, "--retry-failed") as process:
        status, told, _ = ended(process)
    assert (status, told["summary"]["completed"], told["summary"]["failed"]) == (1, 1, COUNT // 5 - 1)
    assert server.files(f"{bucket}/done").keys() == expected.keys() - {"p0001.jpg"} | {mended["name"]}


def test_folders(desk, expected, weights, server, tmp_path):
    (tmp_path / "photos").symlink_to(desk / "photos")
    (tmp_path / "masks").symlink_to(desk / "masks")
    with driver(server, desk / "home", str(tmp_path), "--weights", weights, "--actors", 1) as process:
        status, told, _ = ended(process)
    assert (status, told["summary"]["completed"]) == (1, len(expected))
    assert files_in(tmp_path / "done") == expected
    assert len(rows(tmp_path / "done")) == COUNT


def test_globs_several_folders_variants_and_areas_of_texture(desk, weights, server, tmp_path):
    """Named as seen from where the command is started."""
    for kind in ("masks", "sample"):
        (tmp_path / kind).mkdir()
        for mask in (desk / "masks").rglob("*.png"):
            picture = Image.open(mask)
            (ImageChops.invert(picture) if kind == "sample" else picture).save(tmp_path / kind / mask.name)
    (tmp_path / "photos").symlink_to(desk / "photos")
    words = ["--variants", 2, "--sample", tmp_path / "sample", "--avoid", tmp_path / "masks", "--weights", weights]
    photos = ("photos/p00[12]*.jpg", "photos/p0038.png", "photos/day 1")
    own = [tmp_path / name for name in photos]
    complete(*own, "--mask", tmp_path / "masks", "--out", tmp_path / "expected", *words)
    expected = files_in(tmp_path / "expected")
    assert len(expected) > 20
    with driver(server, desk / "home", ".", *words, "--actors", 1, photos=photos, cwd=tmp_path) as process:
        _, told, _ = ended(process)
    assert told["summary"]["completed"] == len(expected)
    assert files_in(tmp_path / "done") == expected


def test_the_command_has_300_mb_however_many_names_there_are(weights, make_photos, tmp_path):
    """As the database's cache is full with these already; docs/measurements.md has ten million."""
    make_photos(tmp_path, 4)
    cache, count = 2, 20_000
    words = [str(count), str(tmp_path), str(weights), str(cache)]
    command = [sys.executable, "-m", "tests.engine.cluster.many_names", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told, peak = done.stdout.splitlines()
    assert json.loads(told)["summary"] == {"completed": 3, "copied": 0, "skipped": count, "failed": 1}, done.stderr
    assert int(peak) + CACHE - cache < 300


def test_a_photo_that_ends_its_process_fails_alone(server, bucket, desk, expected, weights):
    with driver(server, desk / "home", place(bucket), "--weights", weights, "--actors", 1) as process:

        def ends_it(method, path):
            if path.endswith("/photos/p0011.jpg"):
                for pid in called(below(process.pid), "ray::Worker"):
                    end(pid)

        server.fault = ends_it
        status, told, _ = ended(process)
    assert status == 1
    assert told["summary"]["failed"] == COUNT // 5 + 1
    assert server.files(f"{bucket}/done") == {name: file for name, file in expected.items() if name != "p0011.jpg"}
    (row,) = (row for row in rows(Path(place(f"{bucket}/done"))) if row["name"] == "p0011.jpg")
    assert row["error"].startswith("the process that completed it ended 3 times")


def test_two_commands_at_once_while_the_store_fails_now_and_then(server, bucket, desk, expected, weights):
    faults = {0: "refuse", 3: "break off", 6: "lose", 9: "wait"}
    server.fault = lambda method, path: faults.get(len(server.requests) % 13)
    words = ("--weights", weights, "--actors", 1)
    with (
        driver(server, desk / "home", place(bucket), *words) as one,
        driver(server, desk / "home", place(bucket), *words) as other,
    ):
        told = [ended(one), ended(other)]
    assert [status for status, _, _ in told] == [1, 1]
    assert server.files(f"{bucket}/done") == expected
    for _, summary, _ in told:
        assert summary["summary"]["completed"] + summary["summary"]["skipped"] == len(expected)
        assert summary["summary"]["failed"] == COUNT // 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "tensorrt"], "tensorrt"),
        (["--actor-cpus", "999"], "each process wants 999 CPU(s), and the cluster has "),
        (["--retry-failed"], "has no report.parquet"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
    ],
)
def test_what_cannot_be_ends_in_a_line(words, said, server, desk, weights):
    with driver(server, desk / "home", str(desk), *words) as process:
        _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert told.splitlines()[-1].startswith("engine-infer: "), told
    assert said in told.splitlines()[-1]


def test_no_cluster_is_there(server, desk, monkeypatch):
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "1")
    with driver(server, desk / "home", str(desk), cluster="127.0.0.1:1") as process:
        _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "no Ray cluster answers at 127.0.0.1:1" in told.splitlines()[-1]
