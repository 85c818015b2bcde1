"""What tests share: Ctrl-C, a full disk, photographs that scikit-image ships to train on, a cache for exports."""

import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image

# Kernels that torch.compile made for one instruction set give NaN or crash under another (ATEN_CPU_CAPABILITY), and
# its cache does not tell them apart.
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR",
    f"{tempfile.gettempdir()}/torchinductor-{os.getuid()}-{torch.backends.cpu.get_cpu_capability()}"
    f"-{os.environ.get('ONEDNN_MAX_CPU_ISA', 'all')}",
)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing beyond so many bytes fails, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="session")
def shipped_photos() -> Path:
    """The folder of scikit-image's own photographs."""
    return Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="session")
def photos(shipped_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 photographs of 96x96: tiles of astronaut, coffee and chelsea."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea"):
        photo = Image.open(shipped_photos / f"{name}.png").convert("RGB")
        for place in range(8):
            x, y = 90 * (place % 4), 90 * (place // 4)
            photo.crop((x, y, x + 96, y + 96)).save(folder / f"{name}-{place}.png")
    return folder


@pytest.fixture(scope="session", autouse=True)
def exports_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for this session's exports, which take seconds each: no test sees the one in the user's home folder."""
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "ENGINE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def signals() -> Iterator[None]:
    """Ctrl-C and SIGHUP reach the tests and what they start, although jobs in the background and nohup ignore them."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
