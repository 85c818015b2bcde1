"""Both loaders: the plainest decoding of the sampler's crops, for any number of workers and ranks, resumable."""

import errno
import io
import itertools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.dali_loader import DaliLoader
from data.loading import Loader
from data.open import open_loader
from data.sampler import CropSampler
from tests.data.made_photos import encoded, scene, with_orientation, write_photos

LOADERS: dict[str, Callable[..., Loader]] = {"cpu": CpuLoader, "dali": DaliLoader}
both = pytest.mark.parametrize("make", LOADERS.values(), ids=[*LOADERS])


@pytest.fixture
def catalog(photo_folder: Path) -> Catalog:
    return Catalog.open(photo_folder)


@pytest.fixture
def sampler(catalog: Catalog) -> CropSampler:
    return CropSampler(catalog, seed=3, crop_size=64, shorter_edge=(64, 100), flip=True)


def plainly_decoded(catalog: Catalog, sampler: CropSampler, sample: int) -> np.ndarray:
    """The crop as anybody would write it: decode all, turn, cut, resize with Pillow, mirror."""
    (crop,) = sampler.crops(np.array([sample]))
    photo = ImageOps.exif_transpose(Image.open(io.BytesIO(catalog.read(crop.photo)))).convert("RGB")
    box = (crop.x, crop.y, crop.x + crop.side, crop.y + crop.side)
    small = photo.crop(box).resize((sampler.crop_size,) * 2, Image.Resampling.BILINEAR)
    return np.asarray(ImageOps.mirror(small) if crop.flip else small)


@both
def test_pixels_are_the_plain_ones(make: Callable[..., Loader], catalog: Catalog, sampler: CropSampler) -> None:
    """Within what resizing methods differ by: a mean of 5 of 255 in a crop, where other crops differ by over 9."""
    with make(catalog, sampler, len(catalog)) as loader:
        image_N3HW, ids_N = next(loader)
    assert image_N3HW.dtype == torch.uint8
    assert image_N3HW.shape == (len(catalog), 3, 64, 64)
    assert image_N3HW.is_contiguous(memory_format=torch.channels_last)
    assert ids_N.tolist() == list(range(len(catalog)))
    expected_NHW3 = np.stack([plainly_decoded(catalog, sampler, sample) for sample in ids_N.tolist()]).astype(int)
    image_NHW3 = image_N3HW.permute(0, 2, 3, 1).numpy()
    assert np.abs(image_NHW3 - expected_NHW3).mean((1, 2, 3)).max() < 5
    assert np.abs(image_NHW3 - np.roll(expected_NHW3, 1, axis=0)).mean((1, 2, 3)).min() > 9


ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")]


@pytest.mark.parametrize("gpu", [None, pytest.param(0, marks=ON_GPU)])
def test_both_loaders_agree(gpu: int | None, catalog: Catalog, sampler: CropSampler) -> None:
    with CpuLoader(catalog, sampler, 8, workers=0) as cpu, DaliLoader(catalog, sampler, 8, device_id=gpu) as dali:
        for _ in range(5):
            ours, theirs = next(cpu), next(dali)
            assert torch.equal(ours.ids_N, theirs.ids_N)
            assert theirs.image_N3HW.is_cuda == (gpu is not None)
            difference = (ours.image_N3HW.int() - theirs.image_N3HW.cpu().int()).abs().float()
            assert difference.mean((1, 2, 3)).max() < 5


def test_any_number_of_workers_makes_the_same_batches(catalog: Catalog, sampler: CropSampler) -> None:
    with CpuLoader(catalog, sampler, 7, workers=0) as alone, CpuLoader(catalog, sampler, 7, workers=2) as together:
        for _ in range(9):
            first, second = next(alone), next(together)
            assert torch.equal(first.image_N3HW, second.image_N3HW)
            assert torch.equal(first.ids_N, second.ids_N)
            assert first.image_N3HW.stride() == second.image_N3HW.stride()


@both
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_one_order(make: Callable[..., Loader], ranks: int, catalog: Catalog, sampler: CropSampler) -> None:
    """Together they see samples 0..39, each once, whatever their number; the photos are one permutation."""
    seen: dict[int, torch.Tensor] = {}
    for rank in range(ranks):
        with make(catalog, sampler, 8 // ranks, rank=rank, ranks=ranks) as loader:
            for _ in range(5):
                image_N3HW, ids_N = next(loader)
                seen |= dict(zip(ids_N.tolist(), image_N3HW.clone(), strict=True))
    assert sorted(seen) == list(range(40))
    assert sorted(sampler.photos(np.array(sorted(seen)))) == list(range(len(catalog)))
    with make(catalog, sampler, 40) as alone:
        assert torch.equal(next(alone).image_N3HW, torch.stack([seen[sample] for sample in range(40)]))


@both
def test_resume_gives_the_next_batch_exactly(
    make: Callable[..., Loader], catalog: Catalog, sampler: CropSampler
) -> None:
    with make(catalog, sampler, 9) as loader:
        for _ in range(7):  # into the second epoch
            next(loader)
        following_sample = loader.next_sample
        following = [next(loader) for _ in range(3)]
        following = [(batch.image_N3HW.clone(), batch.ids_N) for batch in following]
    with make(catalog, sampler, 9, start=following_sample) as resumed:
        for image_N3HW, ids_N in following:
            batch = next(resumed)
            assert torch.equal(batch.image_N3HW, image_N3HW)
            assert torch.equal(batch.ids_N, ids_N)


@both
def test_batches_stay_when_the_next_ones_come(
    make: Callable[..., Loader], catalog: Catalog, sampler: CropSampler
) -> None:
    with make(catalog, sampler, 10) as loader:
        kept = [next(loader).image_N3HW for _ in range(6)]
        copies = [image.clone() for image in kept]
        for _ in range(6):
            next(loader)
        assert all(map(torch.equal, kept, copies))


@both
def test_shards_give_the_same_batches(
    make: Callable[..., Loader], catalog: Catalog, photo_folder: Path, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for i in range(len(catalog)):
            archive.add(photo_folder / catalog.name(i), catalog.name(i))
    shards = Catalog.open(tmp_path)
    with (
        make(catalog, CropSampler(catalog, 1, 64, (64, 90)), 20) as files,
        make(shards, CropSampler(shards, 1, 64, (64, 90)), 20) as packed,
    ):
        for _ in range(3):
            assert torch.equal(next(files).image_N3HW, next(packed).image_N3HW)


@both
def test_formats_that_people_have(make: Callable[..., Loader], tmp_path: Path) -> None:
    """Grey, palette, transparent, 16-bit, progressive and lossless photos all come as the colours they show."""
    flat = np.full((80, 90, 3), (200, 100, 50), np.uint8)
    kinds = {
        "rgb.png": encoded(flat, "PNG"),
        "palette.png": encoded(flat, "PNG", "P"),
        "rgba.png": encoded(flat, "PNG", "RGBA"),
        "progressive.jpg": encoded(flat, quality=95, progressive=True),
        "full-chroma.jpg": encoded(flat, quality=95, subsampling=0),
        "lossless.webp": encoded(flat, "WEBP", lossless=True),
        "plain.bmp": encoded(flat, "BMP"),
        "plain.tif": encoded(flat, "TIFF"),
        "wrong-suffix.jpg": encoded(flat, "PNG"),
        "deep.png": cv2.imencode(".png", flat[..., ::-1].astype(np.uint16) * 257)[1].tobytes(),
        "grey.jpg": encoded(flat, "JPEG", "L"),
        "grey.png": encoded(flat, "PNG", "L"),
    }
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    catalog = Catalog.open(tmp_path)
    assert not catalog.bad
    sampler = CropSampler(catalog, 0, 32, (32, 64))
    with make(catalog, sampler, len(kinds)) as loader:
        image_N3HW, ids_N = next(loader)
        assert not loader.bad
    for image_3HW, photo in zip(image_N3HW, sampler.photos(ids_N.numpy()).tolist(), strict=True):
        grey = "grey" in catalog.name(photo)
        expected = torch.tensor([124.0] * 3 if grey else [200.0, 100.0, 50.0])
        assert (image_3HW.float().mean((1, 2)) - expected).abs().max() < 3, catalog.name(photo)


@both
def test_turned_photos_of_every_format_are_upright(make: Callable[..., Loader], tmp_path: Path) -> None:
    for number, (kind, orientation) in enumerate(itertools.product(["JPEG", "PNG", "WEBP", "TIFF"], [3, 5, 6])):
        data = encoded(scene(number, 150, 100), kind, exif=with_orientation(orientation), quality=90)
        (tmp_path / f"{number:02}.{kind.lower()}").write_bytes(data)
    catalog = Catalog.open(tmp_path)
    sampler = CropSampler(catalog, 0, 64, (64, 80), flip=True)
    with make(catalog, sampler, len(catalog)) as loader:
        image_N3HW, ids_N = next(loader)
        assert not loader.bad
    for image_3HW, sample in zip(image_N3HW, ids_N.tolist(), strict=True):
        difference = image_3HW.permute(1, 2, 0).numpy() - plainly_decoded(catalog, sampler, sample).astype(int)
        assert np.abs(difference).mean() < 5, catalog.name(sampler.photos(np.array([sample]))[0])


def damaged_files(good: bytes) -> dict[str, bytes]:
    """Damage that is seen in headers, before decoding, and only while decoding."""
    png = encoded(scene(5, 90, 80), "PNG")
    frame, tables = good.index(b"\xff\xc0"), good.index(b"\xff\xc4")
    return {
        "truncated.jpg": good[: len(good) * 2 // 3],
        "zero-bytes.jpg": b"",
        "zeros.jpg": bytes(len(good)),
        "text.jpg": b"404 not found",
        "wrong-suffix.png": b"%PDF-1.4",
        "huge.jpg": good[: frame + 5] + b"\xff\xff\xff\xff" + good[frame + 9 :],
        "animated.gif": encoded(
            scene(1, 60, 60), "GIF", save_all=True, append_images=[Image.fromarray(scene(2, 60, 60))]
        ),
        "cmyk.jpg": encoded(scene(3, 80, 70), mode="CMYK"),
        "truncated.png": png[: len(png) // 2],
        "tables.jpg": good[: tables + 5] + b"\xff" * 20 + good[tables + 25 :],
    }


@both
def test_200_damaged_photos_among_2000_stop_nothing(
    make: Callable[..., Loader], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = [encoded(scene(number, 80, 64)) for number in range(20)]
    for number in range(2000):
        (tmp_path / f"{number:04d}.jpg").write_bytes(good[number % 20])
    damaged = damaged_files(good[0])
    for number in range(200):
        name, data = [*damaged.items()][number % len(damaged)]
        (tmp_path / f"{number:03d}-{name}").write_bytes(data)
    catalog = Catalog.open(tmp_path)
    assert len(catalog.bad) == 140  # the headers tell of seven kinds of the ten
    sampler = CropSampler(catalog, 0, 32, (32, 48))
    with caplog.at_level(logging.WARNING), make(catalog, sampler, 100) as loader:
        first = [next(loader).image_N3HW.clone() for _ in range(len(catalog) // 100 + 1)]
        named = {photo.name for photo in catalog.bad} | set(loader.bad)
        assert len(loader.bad) == 60
        assert loader.replaced >= 60
        assert {name.split("-", 1)[1] for name in named} == set(damaged)
        assert all(name in caplog.text for name in loader.bad)
    with make(catalog, sampler, 100) as again:
        assert all(torch.equal(image, next(again).image_N3HW) for image in first)  # replacements repeat too


@both
def test_a_photo_that_changed_since_it_was_indexed_is_replaced(make: Callable[..., Loader], tmp_path: Path) -> None:
    write_photos(tmp_path, 6)
    catalog = Catalog.open(tmp_path)
    (tmp_path / catalog.name(2)).write_bytes(encoded(scene(0, 333, 222)))
    with make(catalog, CropSampler(catalog, 0, 64, (64, 64)), 6) as loader:
        next(loader)
        assert "333x222 pixels" in loader.bad[catalog.name(2)]


@both
def test_nothing_but_damage_is_an_error(make: Callable[..., Loader], tmp_path: Path) -> None:
    good = encoded(scene(0, 80, 64))
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(good[:-50])
    catalog = Catalog.open(tmp_path)
    with make(catalog, CropSampler(catalog, 0, 32, (32, 32)), 2) as loader:
        for _ in range(2):  # no end of the samples, which a for loop would take for a success
            with pytest.raises(ValueError, match=r"100 photos in a row cannot be used.*engine-data check"):
                next(loader)
        for number in range(3):
            (tmp_path / f"{number}.jpg").write_bytes(good)
        assert next(loader).ids_N.tolist() == [0, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_system_comes_without_a_workers_traceback(
    workers: int, catalog: Catalog, sampler: CropSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(photo: int) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", "some.tar")

    monkeypatch.setattr(catalog, "read", read)
    with (
        CpuLoader(catalog, sampler, 4, workers=workers) as loader,
        pytest.raises(OSError, match=r"^\[Errno 24\] Too many open files: 'some.tar'$"),
    ):
        next(loader)


def test_too_little_shared_memory_says_what_to_do(
    catalog: Catalog, sampler: CropSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker gives a container 64 MB; these are the words in which torch says that they are full."""

    def full(size: int) -> torch.UntypedStorage:
        raise RuntimeError(
            "unable to allocate shared memory(shm) for file </torch_1_2_3>: No space left on device (28)"
        )

    monkeypatch.setattr(torch.UntypedStorage, "_new_shared", full)
    message = r"^/dev/shm.* has \d+ MiB; the batches of 2 workers need up to 3 MiB .*--shm-size=1g.*--workers 0"
    with CpuLoader(catalog, sampler, 40, workers=2) as loader, pytest.raises(ValueError, match=message):
        next(loader)


@both
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 41}, "40 photos are fewer than one batch of 41: use more photos, a smaller batch"),
        ({"batch_size": 11, "rank": 1, "ranks": 4}, "one batch of 11 on each of 4 ranks: .* or fewer processes"),
        ({"batch_size": 0}, "batch_size >= 1"),
        ({"batch_size": 1, "rank": 2, "ranks": 2}, "0 <= rank < ranks"),
    ],
)
def test_impossible_requests_say_what_to_do(
    make: Callable[..., Loader], options: dict, message: str, catalog: Catalog, sampler: CropSampler
) -> None:
    with pytest.raises(ValueError, match=message):
        make(catalog, sampler, **options)


def test_open_loader_chooses_by_device(
    catalog: Catalog, sampler: CropSampler, caplog: pytest.LogCaptureFixture
) -> None:
    cpu = torch.device("cpu")
    with caplog.at_level(logging.INFO):
        assert isinstance(open_loader("auto", catalog, sampler, 4, device=cpu), CpuLoader)
    assert "cpu loader: training runs on cpu" in caplog.text
    assert isinstance(open_loader("dali", catalog, sampler, 4, device=cpu), DaliLoader)
    assert isinstance(open_loader("cpu", catalog, sampler, 4, device=cpu), CpuLoader)


def test_signals_to_all_processes_are_the_main_ones_to_handle(catalog: Catalog, sampler: CropSampler) -> None:
    """Which needs its workers until it has ended well."""
    with CpuLoader(catalog, sampler, 4, workers=1) as loader:
        next(loader)
        (worker,) = multiprocessing.active_children()
        for name in ("-TERM", "-INT", "-HUP"):
            subprocess.run(["kill", name, str(worker.pid)], check=True)  # not from this process, which ends it so
        for _ in range(10):
            next(loader)
        assert worker.is_alive()


RUN = """
import signal, sys
from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.sampler import CropSampler
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as under nohup
catalog = Catalog.open(sys.argv[1])
loader = CpuLoader(catalog, CropSampler(catalog, 0, 64, (64, 64)), 4, workers=2)
next(loader)
print("running", flush=True)
if sys.argv[2] == "go on":
    while True:
        next(loader)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", ["exit", "SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_no_process_no_file_and_no_complaint_is_left(end: str, photo_folder: Path, tmp_path: Path) -> None:
    last = "stop" if end == "exit" else "go on"
    command = [sys.executable, "-c", RUN, str(photo_folder), last]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    assert run.stdout is not None
    assert run.stdout.readline() == "running\n"
    if end == "SIGINT":
        os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does, to all processes
    elif end != "exit":
        run.send_signal(signal.Signals[end])
    _, complaints = run.communicate(timeout=30)  # the pipes are closed when the last process has gone
    assert "resource_tracker" not in complaints
    assert "leaked" not in complaints
    deadline = time.monotonic() + 20
    while (left := _processes_of_session(run.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert not list(tmp_path.iterdir())


def _processes_of_session(session: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(stat.parent.name)
    return found
