"""The set-up of a run: its options are written into its folder, and torch is configured."""

import json
import os

import torch

import kernels
from data.files import write_atomically
from engine.training.config import TrainConfig


def write_options(config: TrainConfig) -> None:
    """Note the options in the run folder. ValueError if it cannot be written: now, and not at the first checkpoint."""
    try:
        write_atomically(config.run_folder / "options.json", json.dumps(config.as_json(), indent=2).encode())
    except OSError as error:
        raise ValueError(f"cannot write into the run folder: {error}; give another with --out") from error


def set_up_torch(config: TrainConfig) -> None:
    """Configure torch as the options say."""
    if config.kernels != "auto":
        kernels.set_backend(config.kernels)
    torch.backends.cudnn.benchmark = not config.deterministic
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("high")  # TF32
    if config.compile:  # shared by all runs beside this one
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str((config.run_folder.parent / ".compiled").absolute()))
