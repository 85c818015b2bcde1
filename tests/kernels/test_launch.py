"""Which implementation runs: ENGINE_KERNELS, `set_backend`, and explicit requests that cannot be met."""

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from kernels import launch

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(launch, "_backend", "auto")
    launch.missing_triton.cache_clear()
    launch.log_fallback.cache_clear()
    yield
    launch.missing_triton.cache_clear()


@pytest.fixture
def without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)


def test_auto_takes_triton_on_cuda_and_the_reference_elsewhere() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    assert launch.use_triton("op", CUDA)
    assert not launch.use_triton("op", CPU)


def test_auto_is_decided_while_compiling() -> None:
    def chosen(x: torch.Tensor) -> torch.Tensor:
        return x + launch.use_triton("op", CUDA) + 2 * launch.use_triton("op", CUDA, "too odd")

    assert torch.compile(chosen, fullgraph=True, backend="eager")(torch.zeros(())) == 1


@pytest.mark.usefixtures("without_triton")
def test_auto_falls_back_and_says_why_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not launch.use_triton("op", CUDA)
        assert not launch.use_triton("op", CUDA)
    assert len(caplog.messages) == 1
    assert "pip install 'triton" in caplog.text


@pytest.mark.usefixtures("without_triton")
def test_triton_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ValueError, match="pip install 'triton"):
        launch.set_backend("triton")


@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton runs here")
def test_triton_without_a_gpu_is_an_error() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    with pytest.raises(ValueError, match="TRITON_INTERPRET"):
        launch.set_backend("triton")
    launch._backend = "triton"  # as by ENGINE_KERNELS
    with pytest.raises(ValueError, match=r"op: .*'cpu'"):
        launch.use_triton("op", CPU)


def test_an_unknown_backend_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'cutlass'.*auto, triton, reference"):
        launch.set_backend("cutlass")


def test_the_environment_chooses_and_triton_stays_unimported() -> None:
    program = "import sys, kernels, kernels.launch as l; print(l._backend, 'triton' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], env={"ENGINE_KERNELS": "reference"}, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["reference", "False"]
