"""The set-up of a run: its options are written into its folder, and torch is configured."""

import json
import logging
import os
from typing import Any

import torch

from data.files import write_atomically
from engine.training.config import TrainConfig
from kernels.launch import set_backend

log = logging.getLogger(__name__)

OWN_TO_A_START = ("resume", "time_limit")
"""Options that need no word where they differ from those of the start before."""


def write_options(config: TrainConfig) -> None:
    """Note the options in the run folder, and tell those of a resumed run that are others than before.

    ValueError if they cannot be written: now, and not at the first checkpoint.
    """
    if config.resume and (changed := changes_since(config)):
        log.warning("options that are others than before: %s", "; ".join(changed))
    try:
        write_atomically(config.run_folder / "options.json", json.dumps(config.as_json(), indent=2).encode())
    except OSError as error:
        raise ValueError(f"cannot write into the run folder: {error}; give another with --out") from error


def set_up_torch(config: TrainConfig) -> None:
    """Configure torch as the options say."""
    if config.kernels != "auto":
        set_backend(config.kernels)
    torch.backends.cudnn.benchmark = not config.deterministic
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("high")  # TF32
    if config.compile:  # shared by all runs beside this one
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str((config.run_folder.parent / ".compiled").absolute()))


def changes_since(config: TrainConfig) -> list[str]:
    """Options that are others than at the run's last start: `--name now (was before)`. None if these are not known."""
    try:
        before: dict[str, Any] = json.loads((config.run_folder / "options.json").read_text())
    except (OSError, ValueError):
        return []
    return [
        f"--{name.replace('_', '-')} {now} (was {before[name]})"
        for name, now in config.as_json().items()
        if name in before and name not in OWN_TO_A_START and now != before[name]
    ]
